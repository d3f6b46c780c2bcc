// The frontier: the results that no other result matches at the same or a lower cost.
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

// Updated as results arrive, O(log n) amortised each. Of results with equal reward and cost it
// keeps the lower candidate number, whatever the order of arrival.
class Frontier {
 public:
  // Returns true if the point is on the frontier now.
  bool Insert(double cost, FrontierPoint point);

  // Returns the point with the highest reward whose cost meets the target
  // (common/base/cost_limit.h).
  std::optional<std::pair<double, FrontierPoint>> BestWithin(double target) const;

  // Points by ascending cost; their rewards ascend too.
  const std::map<double, FrontierPoint>& points() const { return points_; }

 private:
  std::map<double, FrontierPoint> points_;
};

}  // namespace layernas::core
