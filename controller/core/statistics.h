// Mean and standard deviation of a few numbers of any size.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace layernas::core {

// Returns the mean of at least one finite number. It is finite even if the sum is not. It lies
// between the minimum and the maximum, so the mean of equal numbers is exactly that number and ties
// stay ties.
inline double Mean(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  double mean = sum / count;
  if (!std::isfinite(sum)) {
    mean = 0;
    for (const double value : values) mean += value / count;
  }
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  return std::clamp(mean, *least, *greatest);
}

// Returns the sample standard deviation (n - 1) of finite numbers; 0 for fewer than two. It is
// finite even if the squares are not.
inline double Deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  double scale = 0;
  for (const double value : values) scale = std::max(scale, std::abs(value));
  if (scale == 0) return 0;
  const double mean = Mean(values) / scale;
  double squares = 0;
  for (const double value : values) squares += (value / scale - mean) * (value / scale - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return std::min(deviation * scale, std::numeric_limits<double>::max());
}

}  // namespace layernas::core
