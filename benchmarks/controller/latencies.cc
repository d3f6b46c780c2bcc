#include "benchmarks/controller/latencies.h"

#include <algorithm>
#include <cmath>

namespace layernas::bench {

double Latencies::Quantile(double share) const {
  if (milliseconds_.empty()) return 0;
  std::vector<float> sorted = milliseconds_;
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(std::clamp<std::size_t>(rank, 1, sorted.size()) - 1);
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

}  // namespace layernas::bench
