// Collects durations.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "common/base/clock.h"

namespace layernas::bench {

inline SteadyTime Now() { return std::chrono::steady_clock::now(); }

class Latencies {
 public:
  void Add(SteadyTime::duration took) {
    milliseconds_.push_back(std::chrono::duration<float, std::milli>(took).count());
  }
  std::size_t count() const { return milliseconds_.size(); }
  // Returns the quantile for a share of 0 to 1, in milliseconds; 0 if nothing was added.
  double Quantile(double share) const;

 private:
  std::vector<float> milliseconds_;
};

}  // namespace layernas::bench
