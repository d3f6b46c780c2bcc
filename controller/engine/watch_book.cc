#include "controller/engine/watch_book.h"

#include <utility>

namespace layernas {

WatchBook::WatchId WatchBook::Add(std::uint64_t search, std::function<void()> changed) {
  MutexLock lock(mutex_);
  const WatchId id = next_++;
  watches_[search].emplace(id, std::move(changed));
  return id;
}

void WatchBook::Remove(WatchId watch) {
  MutexLock lock(mutex_);
  for (auto watches = watches_.begin(); watches != watches_.end(); ++watches) {
    if (watches->second.erase(watch) == 0) continue;
    if (watches->second.empty()) watches_.erase(watches);
    return;
  }
}

void WatchBook::Wake(const std::set<std::uint64_t>& searches) const {
  MutexLock lock(mutex_);
  if (watches_.empty()) return;
  for (const std::uint64_t search : searches) {
    const auto watches = watches_.find(search);
    if (watches == watches_.end()) continue;
    for (const auto& [id, changed] : watches->second) changed();
  }
}

void WatchBook::WakeAll() const {
  MutexLock lock(mutex_);
  for (const auto& [search, watches] : watches_) {
    for (const auto& [id, changed] : watches) changed();
  }
}

}  // namespace layernas
