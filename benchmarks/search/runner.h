// Runs searches on a problem with the real core, and judges their results.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "benchmarks/search/judge.h"
#include "benchmarks/search/problem.h"
#include "controller/core/search.h"

namespace layernas::bench {

struct RunOptions {
  std::string strategy;
  std::vector<double> targets;
  int trainings = 100;
  std::uint64_t seed = 1;
  // Candidates in progress; their results arrive in the order of proposal.
  int parallel = 1;
  // Trainings of a finalist, each with another draw of the reward; 1: no repeats. Part of
  // `trainings`.
  int finalist_trainings = 1;
  int finalist_repeats = 0;
  // Candidates that are measured and exceed every target are not trained.
  bool measure_first = false;
  // Early stopping, for problems with curves.
  core::EarlyStopOptions early_stop = {};
};

// Returns the names that Run() and MakeStrategy() accept.
std::vector<std::string> StrategyNames();

// Returns a strategy with its defaults, or INVALID_ARGUMENT if the name is unknown.
absl::StatusOr<core::StrategyConfig> MakeStrategy(const std::string& name, const core::Space& space);

absl::StatusOr<RunResult> Run(const Problem& problem, const RunOptions& options);

}  // namespace layernas::bench
