// Notifies watchers of changed searches.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>

#include "common/base/mutex.h"

namespace layernas {

// Thread-safe.
class WatchBook {
 public:
  using WatchId = std::uint64_t;

  // Calls `changed` whenever the search is woken, until Remove() has returned. `changed` must not
  // block.
  WatchId Add(std::uint64_t search, std::function<void()> changed);
  void Remove(WatchId watch);
  void Wake(const std::set<std::uint64_t>& searches) const;
  void WakeAll() const;

 private:
  mutable Mutex mutex_;
  // By search.
  std::map<std::uint64_t, std::map<WatchId, std::function<void()>>> watches_ ABSL_GUARDED_BY(mutex_);
  WatchId next_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace layernas
