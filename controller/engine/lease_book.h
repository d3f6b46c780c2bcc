// Leases: which worker holds which candidate, and until when. They are not stored. After a restart
// the book is rebuilt from the candidates, and each lease gets its full duration.
#pragma once

#include <compare>
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

namespace layernas {

// The progress of a training.
struct TaskProgress {
  // 0 before the first report.
  int epoch = 0;
  // Total epochs of the training.
  int epochs = 0;
  std::optional<double> reward;
};

// Not thread-safe. All functions are O(log n).
class LeaseBook {
 public:
  struct Key {
    std::uint64_t search = 0;
    std::uint64_t number = 0;

    auto operator<=>(const Key&) const = default;
  };

  LeaseBook() = default;
  LeaseBook(const LeaseBook&) = delete;
  LeaseBook& operator=(const LeaseBook&) = delete;

  // Records a lease, or its new deadline. A lease of another worker for the same key ends, and its
  // progress is lost. `instance`: instance of the worker's process; empty if unknown.
  void Set(Key key, const std::string& worker, SteadyTime deadline, const std::string& instance = {});
  // Adds a lease that was granted before the start.
  void Restore(Key key, const std::string& worker, SteadyTime deadline);
  // Changes the worker's name of a lease in the book.
  void Rename(Key key, const std::string& worker, SteadyTime deadline, const std::string& instance);
  // The lease must be in the book.
  const std::string& InstanceOf(Key key) const { return leases_.at(key).instance; }
  // Returns whether the lease is in the book and known to belong to this process.
  bool IsOf(Key key, const std::string& instance) const;
  void Remove(Key key);
  // The lease must be in the book.
  void SetProgress(Key key, const TaskProgress& progress) { leases_.at(key).progress = progress; }
  const TaskProgress& ProgressOf(Key key) const { return leases_.at(key).progress; }
  // The machine's clock was set ahead while these leases were held. Without `restored` this does not
  // hold for leases that were granted before the start.
  void ClockWasSet(Millis ahead, bool restored);
  // Returns how far the clock was set ahead since the lease was granted; 0 if it is not in the book.
  Millis ClockSetSince(Key key) const;
  bool Contains(Key key) const { return leases_.contains(key); }
  bool Holds(Key key, const std::string& worker) const;
  // The lease must be in the book.
  SteadyTime Deadline(Key key) const { return leases_.at(key).deadline->first; }
  // Returns the leases whose deadline is at or before `now`. They stay in the book.
  std::vector<Key> Expired(SteadyTime now) const;
  // Returns the leases of the worker; may be empty. The reference is valid until a lease is removed
  // or gets another worker.
  const std::set<Key>& OfWorker(const std::string& worker) const;
  std::size_t size() const { return leases_.size(); }

 private:
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  using ByDeadline = std::set<std::pair<SteadyTime, Key>>;
  using ByWorker = std::map<std::string, std::set<Key>>;
  struct Lease {
    ByWorker::value_type* worker;
    ByDeadline::iterator deadline;
    std::string instance;
    TaskProgress progress = {};
    Millis clock_set{0};
    bool restored = false;
  };

  void Add(Key key, const std::string& worker, SteadyTime deadline, const std::string& instance);

  std::unordered_map<Key, Lease, KeyHash> leases_;
  ByDeadline by_deadline_;
  ByWorker by_worker_;
};

}  // namespace layernas
