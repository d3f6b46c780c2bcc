// Runs searches on a problem with the real core, and judges what they return.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "benchmarks/search/problem.h"
#include "controller/core/search.h"

namespace layernas::bench {

struct RunOptions {
  std::string strategy;
  std::vector<double> targets;
  int trainings = 100;
  std::uint64_t seed = 1;
  // Candidates out at once; their results come in the order of proposal.
  int parallel = 1;
  // Trainings of a finalist, each with another draw of the reward; 1: none is repeated. Part of `trainings`.
  int finalist_trainings = 1;
  int finalist_repeats = 0;
  // What is measured and exceeds every target is not trained.
  bool measure_first = false;
  // Trainings may be ended early, on a problem with curves.
  core::EarlyStopOptions early_stop = {};
};

struct RunResult {
  // Per target: whether there is an architecture at or under it among those trained.
  std::vector<bool> answered;
  // Per target: judged value, and expected reward, that the best architecture at or under it has above the returned
  // one.
  std::vector<double> regret_judged;
  std::vector<double> regret_reward;
  // Area between the returned frontier's judged values and the true one, as a share of the latter; up to the largest
  // target, above the judged value of the cheapest architecture of the true frontier. NaN where that is not known.
  double hypervolume_ratio = 0;
  int trained = 0;
  // Measured and not trained.
  int spared = 0;
  // Ended early, and the epochs that this saved as a share of those that all trainings would have had.
  int stopped = 0;
  double epochs_saved = 0;
  // In the strategy and the search's state machine.
  double strategy_seconds = 0;
};

// The names that Run() and MakeStrategy() know.
std::vector<std::string> StrategyNames();

// A strategy with its defaults; INVALID_ARGUMENT if there is none of that name.
absl::StatusOr<core::StrategyConfig> MakeStrategy(const std::string& name, const core::Space& space);

absl::StatusOr<RunResult> Run(const Problem& problem, const RunOptions& options);

}  // namespace layernas::bench
