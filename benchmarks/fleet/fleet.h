// Simulates a fleet of workers around one search of the real core in virtual time, so that hours of
// a large fleet take seconds.
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
  // Training times are log-normal with this median, in seconds, and this standard deviation of the
  // logarithm. They depend on (seed, architecture, attempt), and not on the strategy.
  double training_seconds = 600;
  double sigma = 1;
  // Share of attempts that crash, at a uniformly drawn part of their time. At random, either the
  // evaluator crashes and its worker reports that, or the worker crashes and its lease expires.
  double crash_share = 0;
};

struct FleetResult {
  // Time until the search ended.
  double makespan_seconds = 0;
  // Time that workers spent in attempts, as a share of all their time: until the search ended, and
  // until the last candidate was handed out.
  double utilisation = 0;
  double utilisation_handing_out = 0;
  // When the last new candidate was handed out.
  double handing_out_seconds = 0;
  int trainings = 0;
  int crashes = 0;
  // Processor time in the strategy and the state machine.
  double strategy_seconds = 0;
  // Empty for strategies without tables.
  std::vector<core::StageTable> tables;
};

// Runs the search to its end. Background computations of the strategy take as long in virtual time
// as on one core of this machine. Returns INTERNAL if the search fails, or stops with nothing in
// progress.
absl::StatusOr<FleetResult> RunFleet(const Problem& problem, const core::SearchConfig& config,
                                     const FleetOptions& options);

}  // namespace layernas::bench
