// Who holds which candidate, and until when. Soft state: after a restart it is made anew from the candidates, each
// lease with its full time.
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

// How far a training has come.
struct TaskProgress {
  // 0 where nothing was reported yet.
  int epoch = 0;
  // Those that the training is to have.
  int epochs = 0;
  std::optional<double> reward;
};

// Not thread-safe. O(log n) throughout.
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

  // Notes a lease, or its new deadline; one of another worker ends, and its progress with it. `instance`: of the
  // worker's process; empty if unknown.
  void Set(Key key, const std::string& worker, SteadyTime deadline, const std::string& instance = {});
  // A lease that is in the book goes on under another name of its worker.
  void Rename(Key key, const std::string& worker, SteadyTime deadline, const std::string& instance);
  // Of a lease that is in the book.
  const std::string& InstanceOf(Key key) const { return leases_.at(key).instance; }
  // Whether it is in the book and known to be of this process.
  bool IsOf(Key key, const std::string& instance) const;
  void Remove(Key key);
  // Of a lease that is in the book.
  void SetProgress(Key key, const TaskProgress& progress) { leases_.at(key).progress = progress; }
  const TaskProgress& ProgressOf(Key key) const { return leases_.at(key).progress; }
  bool Contains(Key key) const { return leases_.contains(key); }
  bool Holds(Key key, const std::string& worker) const;
  // Of a lease that is in the book.
  SteadyTime Deadline(Key key) const { return leases_.at(key).deadline->first; }
  // The leases whose deadline is at or before `now`; they stay in the book.
  std::vector<Key> Expired(SteadyTime now) const;
  // Empty if it holds none. Good until a lease is removed or goes to another worker.
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
  };

  void Add(Key key, const std::string& worker, SteadyTime deadline, const std::string& instance);

  std::unordered_map<Key, Lease, KeyHash> leases_;
  ByDeadline by_deadline_;
  ByWorker by_worker_;
};

}  // namespace layernas
