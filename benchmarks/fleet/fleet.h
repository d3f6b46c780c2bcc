// A fleet of workers around one search of the real core, in virtual time: nothing waits, so that hours of a large fleet
// take seconds.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "benchmarks/search/problem.h"
#include "controller/core/search.h"

namespace layernas::bench {

struct FleetOptions {
  // At least 1.
  int workers = 256;
  // Training times are log-normal with this median, in seconds, and this standard deviation of the logarithm; fixed by
  // (seed, architecture, attempt), whatever the strategy.
  double training_seconds = 600;
  double sigma = 1;
  // Attempts that crash, at a uniformly drawn part of their time: by turns of chance the evaluator does, which its
  // worker reports, or the worker, whose lease runs out.
  double crash_share = 0;
};

struct FleetResult {
  // Until the search ended.
  double makespan_seconds = 0;
  // Time that workers spent in attempts, as a share of all their time: until the search ended, and until no further
  // candidate was handed out.
  double utilisation = 0;
  double utilisation_handing_out = 0;
  // When the last new candidate was handed out.
  double handing_out_seconds = 0;
  int trainings = 0;
  int crashes = 0;
  // Processor time, in strategy and state machine.
  double strategy_seconds = 0;
  // Of strategies that have them.
  std::vector<core::StageTable> tables;
};

// Runs the search to its end. What the strategy computes in the background takes as long in virtual time as it took one
// core of this machine. INTERNAL if the search fails, or stops with nothing under way.
absl::StatusOr<FleetResult> RunFleet(const Problem& problem, const core::SearchConfig& config,
                                     const FleetOptions& options);

}  // namespace layernas::bench
