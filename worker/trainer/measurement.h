// Latency of a network on this machine.
#pragma once

#include <vector>

#include "worker/trainer/network.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

struct Latency {
  // Milliseconds per batch over all runs.
  double median_ms = 0;
  double p90_ms = 0;
  double p99_ms = 0;
  // (p90 - p10) / median: how far the figures can be trusted.
  double spread = 0;
  int runs = 0;
  // Against a fixed reference network that is timed in turns with this one: the median of the ratios of each turn. It
  // hardly moves when the whole machine is slower for a while, so it compares networks measured in different processes
  // or hours.
  double ratio = 0;
};

// Times `network` in evaluation mode, in which it is left, on random input. The runs come in blocks, between which the
// reference network has its turn, so that a slow spell of the machine does not hit all of them.
Latency MeasureLatency(Network& network, const Shape& input, const MeasureSettings& settings);

// Nearest-rank quantile, 0 < q <= 1, of `sorted`, which is ascending and not empty.
double Quantile(const std::vector<double>& sorted, double q);

}  // namespace layernas::trainer
