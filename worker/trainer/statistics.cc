#include "worker/trainer/statistics.h"

#include <algorithm>
#include <cmath>

namespace layernas::trainer {

double Quantile(const std::vector<double>& sorted, double q) {
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::min(std::max<std::size_t>(rank, 1), sorted.size()) - 1];
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

Interval MedianInterval(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto count = static_cast<double>(values.size());
  // The normal approximation, rounded outwards.
  const double below = std::floor(count / 2 - 1.96 * std::sqrt(count) / 2);
  const std::size_t skipped = below > 1 ? static_cast<std::size_t>(below) - 1 : 0;
  return {values[skipped], values[values.size() - 1 - skipped]};
}

}  // namespace layernas::trainer
