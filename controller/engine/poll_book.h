// The calls of workers that wait for work.
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

// Ascending in the order of the calls.
using PollId = std::uint64_t;

struct Poll {
  PollId id = 0;
  LeaseRequest request;
  Reply<std::vector<LeasedTask>> reply;
  // Since when it waits for something that is being computed, if it does.
  std::optional<SteadyTime> awaits_since = std::nullopt;
};

// Keeps the polls in order for every set of labels that a search has asked for, so that nobody has to look through ten
// thousand of them for one that fits. O(log n) throughout. Not thread-safe.
class PollBook {
 public:
  // Labels that a worker must have.
  using Requirements = std::map<std::string, std::string>;

  void Park(Poll poll);
  // Takes it out of the book; nothing if it is not in there.
  std::optional<Poll> Take(PollId id);
  // 0 if there is none.
  PollId Find(const std::string& worker, const std::string& request_id) const;
  // Another name for the worker of a process's polls.
  void Rename(const std::string& worker, const std::string& instance, const std::string& to);
  // Those of a worker's process, under this name.
  std::vector<PollId> Of(const std::string& worker, const std::string& instance) const;
  // Those whose deadline is at or before `now`; they stay in the book.
  std::vector<PollId> Expired(SteadyTime now) const;
  // The oldest after `after` whose worker has the labels; null if there is none. Good until the book changes.
  const Poll* OldestAfter(PollId after, const Requirements& requirements);
  // A poll of the book waits for what is being computed, now if it did not before. Returns since when.
  SteadyTime Awaits(PollId id, SteadyTime now);
  // The worker's polls, also those to come, are passed over until it is let in again.
  void HoldBack(const std::string& worker);
  void LetIn(const std::string& worker);
  // Whether a poll of the worker is in the book.
  bool Waits(const std::string& worker) const { return by_worker_.contains(worker); }
  bool empty() const { return polls_.empty(); }
  std::size_t size() const { return polls_.size(); }
  // Takes all out.
  std::vector<Poll> Clear();

 private:
  // Those whose worker has certain labels and that are not held back.
  using Fitting = std::set<PollId>;

  bool IsHeldBack(const Poll& poll) const;
  Fitting& FittingTo(const Requirements& requirements);

  std::unordered_map<PollId, Poll> polls_;
  std::set<std::string> held_back_;
  std::set<std::pair<SteadyTime, PollId>> by_deadline_;
  std::unordered_map<std::string, std::vector<PollId>> by_worker_;
  // Made when it is first asked for.
  std::map<Requirements, Fitting> fitting_;
};

// Whether the worker has all the labels, with values that meet them (common/base/label.h).
bool Meets(const WorkerInfo& worker, const PollBook::Requirements& requirements);
// Those that it does not meet.
PollBook::Requirements LackingOf(const WorkerInfo& worker, const PollBook::Requirements& requirements);

}  // namespace layernas
