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

// Which other workers could do a task: decides whether to wait for them.
enum class Others { kNone, kSome };

// Soft state: it is not stored, and after a restart everything may go at once. O(log n) per call, amortised. Not
// thread-safe.
class CandidateQueue {
 public:
  struct Entry {
    std::uint64_t number = 0;
    TaskKind kind = TaskKind::kEvaluate;
    // A back-off: to nobody before.
    SteadyTime not_before = {};
    // While there are others, not to this worker: for kElsewhereFirst after the back-off, or for kElsewhereLast. Empty:
    // to anyone.
    std::string avoid = {};
    bool is_last = false;
  };

  // How long a candidate is kept for other workers after its attempt failed on one.
  static constexpr Millis kElsewhereFirst{5'000};
  // As that, for its last attempt. It has an end since others may be busy with something else for hours.
  static constexpr Millis kElsewhereLast{600'000};

  // To the end. The candidate must not be in the queue.
  void Push(Entry entry);
  // Nothing happens if it is not there.
  void Remove(std::uint64_t number);
  // The first that this worker may take now, which stays in the queue. `now` never goes back from call to call.
  std::optional<std::uint64_t> Find(TaskKind kind, const std::string& worker, Others others, SteadyTime now);
  // Whether Find() would find one but for its attempt having failed on this very worker.
  bool HoldsBack(TaskKind kind, const std::string& worker, Others others, SteadyTime now);

  bool empty() const { return places_.empty(); }
  std::size_t size() const { return places_.size(); }
  std::size_t size(TaskKind kind) const { return sizes_[static_cast<std::size_t>(kind)]; }
  // In order.
  std::vector<std::uint64_t> Numbers() const;
  void Clear();

 private:
  static constexpr std::size_t kKinds = 3;
  // Ascending in the order of Push().
  using Ticket = std::uint64_t;

  struct Place {
    Ticket ticket = 0;
    TaskKind kind = TaskKind::kEvaluate;
    std::string avoid;
    bool is_last = false;
    // When it is due to change: the end of its back-off or of its avoidance.
    std::optional<SteadyTime> due;
    // In its group, its back-off over.
    bool ready = false;
  };

  // Of one kind, those that may go now, by the worker that they avoid ("": none).
  struct Ready {
    std::map<std::string, std::set<std::pair<Ticket, std::uint64_t>>> groups;
    // The first of each group.
    std::set<std::pair<Ticket, std::string>> heads;
  };

  // Ends back-offs and avoidances whose time has come.
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
