// The candidates of a search that wait for a worker, in order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "controller/core/candidate.h"

namespace layernas::core {

// Whether other workers could do a task, so that it is worth waiting for them.
enum class Others { kNone, kSome };

// The queue is not stored; after a restart all its candidates may be leased at once. O(log n)
// amortised per call. Not thread-safe.
class CandidateQueue {
 public:
  struct Entry {
    std::uint64_t number = 0;
    TaskKind kind = TaskKind::kEvaluate;
    // Back-off: the candidate is not leased before this time.
    SteadyTime not_before = {};
    // While there are other workers, the candidate is not offered to this one: for kElsewhereFirst
    // after the back-off or, if `is_last`, for kElsewhereLast. Empty: it is offered to all workers.
    std::string avoid = {};
    bool is_last = false;
  };

  // How long a candidate is reserved for other workers after its attempt failed on one.
  static constexpr Millis kElsewhereFirst{5'000};
  // The same for the candidate's last attempt. It is limited because the other workers may be busy
  // for hours.
  static constexpr Millis kElsewhereLast{600'000};

  // Appends to the queue. The candidate must not be in the queue.
  void Push(Entry entry);
  // Does nothing if the candidate is not in the queue.
  void Remove(std::uint64_t number);
  // The candidate stays in the queue, but is not offered any more, and size(kind) does not count it.
  // It must be in the queue.
  void Withhold(std::uint64_t number);
  bool IsWithheld(std::uint64_t number) const {
    const auto place = places_.find(number);
    return place != places_.end() && place->second.is_withheld;
  }
  // Returns the first candidate that this worker may take now. It stays in the queue. `now` must
  // not decrease between calls.
  std::optional<std::uint64_t> Find(TaskKind kind, const std::string& worker, Others others, SteadyTime now);
  // Returns whether Find() finds nothing only because attempts failed on this worker.
  bool HoldsBack(TaskKind kind, const std::string& worker, Others others, SteadyTime now);

  bool empty() const { return places_.empty(); }
  std::size_t size() const { return places_.size(); }
  std::size_t size(TaskKind kind) const { return sizes_[static_cast<std::size_t>(kind)]; }
  // Returns the candidates in queue order.
  std::vector<std::uint64_t> Numbers() const;
  void Clear();

 private:
  static constexpr std::size_t kKinds = 3;
  // Ascends with each Push().
  using Ticket = std::uint64_t;

  struct Place {
    Ticket ticket = 0;
    TaskKind kind = TaskKind::kEvaluate;
    std::string avoid;
    bool is_last = false;
    // When the entry changes next: at the end of its back-off or of its avoidance.
    std::optional<SteadyTime> due;
    // The entry is in its group, and its back-off is over.
    bool ready = false;
    bool is_withheld = false;
  };

  // The entries of one kind that may be leased now, grouped by the worker that they avoid ("":
  // none).
  struct Ready {
    std::map<std::string, std::set<std::pair<Ticket, std::uint64_t>>> groups;
    // The first entry of each group.
    std::set<std::pair<Ticket, std::string>> heads;
  };

  // Ends the back-offs and avoidances that are due.
  void Advance(SteadyTime now);
  void Enter(std::uint64_t number, const Place& place);
  void Leave(std::uint64_t number, const Place& place);
  Ready& ReadyOf(TaskKind kind) { return ready_[static_cast<std::size_t>(kind)]; }

  std::unordered_map<std::uint64_t, Place> places_;
  std::array<Ready, kKinds> ready_;
  std::array<std::size_t, kKinds> sizes_{};
  std::set<std::pair<SteadyTime, std::uint64_t>> due_;
  Ticket next_ticket_ = 1;
};

}  // namespace layernas::core
