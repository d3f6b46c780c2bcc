// Who holds which candidate, and until when. Soft state: after a restart it is made anew from the candidates, each
// lease with its full time.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"

namespace layernas {

// Not thread-safe. O(log n) throughout.
class LeaseBook {
 public:
  struct Key {
    std::uint64_t search = 0;
    std::uint64_t number = 0;

    auto operator<=>(const Key&) const = default;
  };

  // Notes a lease, in place of one that the candidate had.
  void Set(Key key, const std::string& worker, SteadyTime deadline);
  void Remove(Key key);
  bool Holds(Key key, const std::string& worker) const;
  // The leases whose deadline is at or before `now`; they stay in the book.
  std::vector<Key> Expired(SteadyTime now) const;
  // Empty if it holds none.
  const std::set<Key>& OfWorker(const std::string& worker) const;
  std::size_t size() const { return leases_.size(); }

 private:
  struct Lease {
    std::string worker;
    SteadyTime deadline;
  };

  std::map<Key, Lease> leases_;
  std::set<std::pair<SteadyTime, Key>> by_deadline_;
  std::map<std::string, std::set<Key>> by_worker_;
};

}  // namespace layernas
