#include "controller/service/turn_order.h"

#include <utility>

namespace layernas {

bool TurnOrder::Add(const std::string& caller, std::size_t max_waiting, std::function<void()> work) {
  std::deque<std::function<void()>>& own = waiting_[caller];
  if (own.size() >= max_waiting) return false;
  own.push_back(std::move(work));
  return true;
}

std::function<void()> TurnOrder::Take() {
  auto next = waiting_.upper_bound(last_);
  if (next == waiting_.end()) next = waiting_.begin();
  last_ = next->first;
  std::function<void()> work = std::move(next->second.front());
  next->second.pop_front();
  if (next->second.empty()) waiting_.erase(next);
  return work;
}

}  // namespace layernas
