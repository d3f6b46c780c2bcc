// The method of docs/measuring.md for comparable latencies, independent of what is measured.
#pragma once

#include <functional>

#include "worker/trainer/request.h"

namespace layernas::trainer {

// The time of one run of a network.
struct RunTime {
  double wall_ms = 0;
  // Processor time of this thread, without other processes. Has no meaning on a GPU.
  double cpu_ms = 0;
};
using TimedRun = std::function<RunTime()>;

struct Latency {
  // Wall-clock milliseconds per batch, over all runs.
  double median_ms = 0;
  double p90_ms = 0;
  double p99_ms = 0;
  // (p90 - p10) / median: a measure of how reliable these times are.
  double spread = 0;
  int runs = 0;
  // The ratio to a fixed reference network: the median of the ratios of all rounds. It compares
  // RunTime::cpu_ms if that was requested, otherwise wall-clock times. NaN, like ratio_interval, if
  // that clock is too coarse for a turn.
  double ratio = 0;
  // Half of the width of the ratio's 95 % confidence interval, as a share of the ratio.
  double ratio_interval = 0;
  // The median wall-clock time of the reference.
  double reference_ms = 0;
  // The share of the time in which other processes had the processor, from 0 to 1. It is 0 without
  // RunTime::cpu_ms.
  double stolen = 0;
};

// Runs `network` and `reference` in turns, after a warm-up that lasts until neither gets faster.
// Runs at least settings.runs times and twenty rounds, and then until the ratio is as precise as
// settings.ratio_interval (default: 0.02), or settings.max_runs is reached. Throws MachineError if
// settings.ratio_interval is given and cannot be reached, because the machine is too noisy or its
// clock too coarse. Set `by_cpu_time` if the thread does all work of a run.
Latency MeasureInTurns(const TimedRun& network, const TimedRun& reference, const MeasureSettings& settings,
                       bool by_cpu_time);

}  // namespace layernas::trainer
