// How latency is measured so that it can be compared (docs/measuring.md): the method, apart from what is run.
#pragma once

#include <functional>

#include "worker/trainer/request.h"

namespace layernas::trainer {

// One run of a network.
struct RunTime {
  double wall_ms = 0;
  // What this thread worked; nothing of what others took away in between. Means nothing on a GPU.
  double cpu_ms = 0;
};
using TimedRun = std::function<RunTime()>;

struct Latency {
  // Milliseconds per batch of the clock on the wall, over all runs.
  double median_ms = 0;
  double p90_ms = 0;
  double p99_ms = 0;
  // (p90 - p10) / median: how far these can be trusted.
  double spread = 0;
  int runs = 0;
  // Against a fixed reference network: the median of the ratios of each round, of RunTime::cpu_ms where that was asked
  // for, else of the wall clock. NaN, as is ratio_interval, if that clock ticks too coarsely for a turn.
  double ratio = 0;
  // Half of the width of the ratio's 95 % confidence interval, as a share of the ratio.
  double ratio_interval = 0;
  // Median of the reference, on the wall clock.
  double reference_ms = 0;
  // Share of the time that others had the processor, 0 to 1; 0 without RunTime::cpu_ms.
  double stolen = 0;
};

// Runs `network` and `reference` in turns, after a warm-up that lasts until neither gets faster, at least settings.runs
// times and twenty rounds, then until the ratio is known as well as settings.ratio_interval says (0.02 where it does
// not) or settings.max_runs is reached. Throws MachineError where settings.ratio_interval is given and was not reached:
// the machine is too noisy, or its clock too coarse. `by_cpu_time` is for runs that are all the work of this thread.
Latency MeasureInTurns(const TimedRun& network, const TimedRun& reference, const MeasureSettings& settings,
                       bool by_cpu_time);

}  // namespace layernas::trainer
