#include "controller/service/spec_cache.h"

namespace layernas {
namespace {

constexpr std::size_t kMaxCacheBytes = 64 << 20;

}  // namespace

std::shared_ptr<const TaskEncoder> SpecCache::Get(const std::shared_ptr<const std::string>& serialized) {
  {
    MutexLock lock(mutex_);
    if (const auto found = by_place_.find(serialized.get()); found != by_place_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->encoder;
    }
  }
  auto encoder = std::make_shared<const TaskEncoder>(*serialized);
  MutexLock lock(mutex_);
  const auto [place, is_new] = by_place_.try_emplace(serialized.get());
  if (!is_new) return place->second->encoder;
  entries_.push_front({serialized, encoder});
  place->second = entries_.begin();
  bytes_ += encoder->bytes();
  while (bytes_ > kMaxCacheBytes && entries_.size() > 1) {
    bytes_ -= entries_.back().encoder->bytes();
    by_place_.erase(entries_.back().serialized.get());
    entries_.pop_back();
  }
  return encoder;
}

}  // namespace layernas
