// Workers that lease and complete without evaluating anything.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "benchmarks/controller/event_loop.h"
#include "benchmarks/controller/latencies.h"

namespace layernas::bench {

struct LoadOptions {
  // Each has one call under way at a time: it leases, completes what it got, leases again.
  int workers = 256;
  // Candidates per call, 1 to 64.
  int batch = 1;
  int connections = 1;
  int metrics = 6;
  // Evaluations a second to begin, come what may; what finds no free worker waits for one. 0: as many as possible.
  double rate = 0;
  // Not measured.
  Millis warm_up{1'000};
  Millis duration{10'000};
  // Ends the load early once that many were completed, warm-up included; 0: the duration alone does.
  std::uint64_t evaluations = 0;
  // Sets the workers' ids apart from those of other loads.
  std::string prefix = "bench";
};

struct LoadResult {
  // Completions that the controller has accepted in the measured time; all, with the warm-up and the end.
  std::uint64_t evaluations = 0;
  std::uint64_t all_evaluations = 0;
  double seconds = 0;
  // One call each.
  Latencies leases;
  Latencies completions;
  // From the moment at which an evaluation was due (without a rate: begun) to the answer to its completion.
  Latencies rounds;
  // Shares of the measured time: of all cores, and of one core.
  double idle_share = 0;
  double controller_cpu_seconds = 0;
  double client_cpu_seconds = 0;
};

// A failed call or a completion that is not accepted is an error.
absl::StatusOr<LoadResult> RunLoad(EventLoop& loop, const LoadOptions& options, pid_t controller);

}  // namespace layernas::bench
