// Means and deviations of a few numbers of any size.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace layernas::core {

// Of finite numbers, at least one. Finite, also where their sum would not be. No less than the least and no more than
// the greatest of them, so that equal numbers have just that mean: ties stay ties.
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

// The sample deviation (n - 1) of finite numbers; 0 for fewer than two. Finite, also where squares would not be.
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
