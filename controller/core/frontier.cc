#include "controller/core/frontier.h"

#include <iterator>

#include "common/base/cost_limit.h"

namespace layernas::core {

bool Frontier::Insert(double cost, FrontierPoint point) {
  // The best result at no more cost is the last one up to the cost, because rewards ascend.
  if (const auto above = points_.upper_bound(cost); above != points_.begin()) {
    const auto& [best_cost, best_point] = *std::prev(above);
    if (best_point.reward > point.reward) return false;
    if (best_point.reward == point.reward && (best_cost < cost || best_point.candidate < point.candidate)) {
      return false;
    }
  }
  auto dominated = points_.lower_bound(cost);
  while (dominated != points_.end() && dominated->second.reward <= point.reward) dominated = points_.erase(dominated);
  points_.emplace(cost, point);
  return true;
}

std::optional<std::pair<double, FrontierPoint>> Frontier::BestWithin(double target) const {
  const auto above = points_.upper_bound(WidenedLimit(target));
  if (above == points_.begin()) return std::nullopt;
  return *std::prev(above);
}

}  // namespace layernas::core
