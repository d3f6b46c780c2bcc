// Whether a cost meets a limit: the one comparison, for every place where a cost is held against a target.
#pragma once

namespace layernas {

// Share of a cost by which it may exceed its limit. Costs are sums of rounded numbers: 0.1 + 0.2 meets 0.3.
inline constexpr double kCostTolerance = 1e-9;

// The highest cost that meets `limit`, for look-ups in ordered containers. `limit` may be infinite; not NaN.
constexpr double WidenedLimit(double limit) {
  return limit > 0 ? limit / (1 - kCostTolerance) : limit * (1 - kCostTolerance);
}

// Returns true if `cost` exceeds `limit` by at most kCostTolerance of the larger of the two.
constexpr bool MeetsLimit(double cost, double limit) { return cost <= WidenedLimit(limit); }

}  // namespace layernas
