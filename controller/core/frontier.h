// The non-dominated results: those that no other matches at no more cost.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace layernas::core {

struct FrontierPoint {
  std::uint64_t candidate = 0;
  double reward = 0;
};

// Kept up to date as results arrive, O(log n) each, amortised. Of equal reward and cost the lower candidate number
// stays, whatever the order of arrival.
class Frontier {
 public:
  // Returns true if the point is on the frontier now.
  bool Insert(double cost, FrontierPoint point);

  // The point of highest reward with a cost that meets the target (common/base/cost_limit.h).
  std::optional<std::pair<double, FrontierPoint>> BestWithin(double target) const;

  // By cost, ascending; rewards ascend too.
  const std::map<double, FrontierPoint>& points() const { return points_; }

 private:
  std::map<double, FrontierPoint> points_;
};

}  // namespace layernas::core
