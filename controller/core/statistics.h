// Means and deviations of a few numbers of any size.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace layernas::core {

// Of finite numbers, at least one. Finite, also where their sum would not be.
inline double Mean(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  if (std::isfinite(sum)) return sum / count;
  double mean = 0;
  for (const double value : values) mean += value / count;
  return mean;
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
