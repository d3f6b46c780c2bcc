// The worker calls that wait for work.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controller/engine/views.h"

namespace layernas {

// Ascends in the order of the calls.
using PollId = std::uint64_t;

struct Poll {
  PollId id = 0;
  LeaseRequest request;
  Reply<std::vector<LeasedTask>> reply;
  // Since when the poll waits for a computation, if it does.
  std::optional<SteadyTime> awaits_since = std::nullopt;
};

// Keeps the polls in order for every set of labels that a search has required, so that finding a
// fitting one among ten thousand is fast. All functions are O(log n). Not thread-safe.
class PollBook {
 public:
  // Labels that a worker must have.
  using Requirements = std::map<std::string, std::string>;

  void Park(Poll poll);
  // Removes the poll and returns it, or returns nothing if it is not in the book.
  std::optional<Poll> Take(PollId id);
  // Returns 0 if there is none.
  PollId Find(const std::string& worker, const std::string& request_id) const;
  // Changes the worker's name of a process's polls.
  void Rename(const std::string& worker, const std::string& instance, const std::string& to);
  // Returns the polls of a worker's process under this name.
  std::vector<PollId> Of(const std::string& worker, const std::string& instance) const;
  // Returns the polls whose deadline is at or before `now`. They stay in the book.
  std::vector<PollId> Expired(SteadyTime now) const;
  // Returns the oldest poll after `after` whose worker has the labels, or null if there is none.
  // The pointer is valid until the book changes.
  const Poll* OldestAfter(PollId after, const Requirements& requirements);
  // Notes that a poll in the book waits for a computation. Returns since when it does.
  SteadyTime Awaits(PollId id, SteadyTime now);
  // Passes over the worker's current and later polls until LetIn().
  void HoldBack(const std::string& worker);
  void LetIn(const std::string& worker);
  // Returns whether a poll of the worker is in the book.
  bool Waits(const std::string& worker) const { return by_worker_.contains(worker); }
  bool empty() const { return polls_.empty(); }
  std::size_t size() const { return polls_.size(); }
  // Removes and returns all polls.
  std::vector<Poll> Clear();

 private:
  // Polls whose worker has certain labels and is not held back.
  using Fitting = std::set<PollId>;

  bool IsHeldBack(const Poll& poll) const;
  Fitting& FittingTo(const Requirements& requirements);

  std::unordered_map<PollId, Poll> polls_;
  std::set<std::string> held_back_;
  std::set<std::pair<SteadyTime, PollId>> by_deadline_;
  std::unordered_map<std::string, std::vector<PollId>> by_worker_;
  // Entries are created on first use.
  std::map<Requirements, Fitting> fitting_;
};

// Returns whether the worker has all the labels, with values that meet them (common/base/label.h).
bool Meets(const WorkerInfo& worker, const PollBook::Requirements& requirements);
// Returns the labels that the worker does not meet.
PollBook::Requirements LackingOf(const WorkerInfo& worker, const PollBook::Requirements& requirements);

}  // namespace layernas
