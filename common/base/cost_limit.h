// Decides whether a cost meets a limit. Use this comparison wherever a cost is compared with a
// target.
#pragma once

namespace layernas {

// The share of a cost by which it may exceed its limit. Costs are sums of rounded numbers: 0.1 +
// 0.2 must meet 0.3.
inline constexpr double kCostTolerance = 1e-9;

// Returns the highest cost that meets `limit`, for look-ups in ordered containers. `limit` may be
// infinite, but not NaN.
constexpr double WidenedLimit(double limit) {
  return limit > 0 ? limit / (1 - kCostTolerance) : limit * (1 - kCostTolerance);
}

// Returns true if `cost` exceeds `limit` by at most kCostTolerance of the larger of the two.
constexpr bool MeetsLimit(double cost, double limit) { return cost <= WidenedLimit(limit); }

}  // namespace layernas
