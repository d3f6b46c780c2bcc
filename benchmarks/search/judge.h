// Judges the results of a search on a problem.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "benchmarks/search/problem.h"

namespace layernas::bench {

struct RunResult {
  // Per target: whether a trained architecture meets it.
  std::vector<bool> answered;
  // Per target: the judged value and the expected reward of the best architecture that meets it,
  // minus those of the returned one.
  std::vector<double> regret_judged;
  std::vector<double> regret_reward;
  // Area between the judged values of the returned frontier and the true frontier, as a share of
  // the latter. It covers costs up to the largest target, above the judged value of the cheapest
  // architecture of the true frontier. NaN if unknown.
  double hypervolume_ratio = 0;
  int trained = 0;
  // Candidates that were measured and not trained.
  int spared = 0;
  // Trainings that were ended early, and the saved epochs as a share of the epochs of all complete
  // trainings.
  int stopped = 0;
  double epochs_saved = 0;
  // Time in the strategy and the search's state machine.
  double strategy_seconds = 0;
};

// Fills in the parts of a result that depend on what was returned: `answers`, one per target, and the
// frontier as (cost, architecture) by ascending cost.
void Judge(const Problem& problem, const std::vector<double>& targets,
           const std::vector<std::optional<core::Architecture>>& answers,
           const std::vector<std::pair<double, core::Architecture>>& frontier, RunResult& result);

}  // namespace layernas::bench
