// A load of workers that lease and complete tasks without evaluating anything.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "benchmarks/controller/event_loop.h"
#include "benchmarks/controller/latencies.h"

namespace layernas::bench {

struct LoadOptions {
  // Each worker has one call in progress at a time: it leases, completes its tasks, and leases
  // again.
  int workers = 256;
  // Candidates per call, 1 to 64.
  int batch = 1;
  int connections = 1;
  int metrics = 6;
  // Evaluations to start per second, whatever happens; an evaluation without a free worker waits
  // for one. 0: as many as possible.
  double rate = 0;
  // Not measured.
  Millis warm_up{1'000};
  Millis duration{10'000};
  // Ends the load early after this many completions, including the warm-up; 0: only the duration
  // ends it.
  std::uint64_t evaluations = 0;
  // Distinguishes the workers' ids from those of other loads.
  std::string prefix = "bench";
};

struct LoadResult {
  // Completions that the controller accepted in the measured time; and all completions, including
  // the warm-up and the end.
  std::uint64_t evaluations = 0;
  std::uint64_t all_evaluations = 0;
  double seconds = 0;
  // Durations of single calls.
  Latencies leases;
  Latencies completions;
  // From the time at which an evaluation was due (without a rate: started) to the answer to its
  // completion.
  Latencies rounds;
  // Idle share of all cores in the measured time, and processor time of the controller and of this
  // process.
  double idle_share = 0;
  double controller_cpu_seconds = 0;
  double client_cpu_seconds = 0;
};

// A failed call or a refused completion is an error.
absl::StatusOr<LoadResult> RunLoad(EventLoop& loop, const LoadOptions& options, pid_t controller);

}  // namespace layernas::bench
