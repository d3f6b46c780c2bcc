// The configuration of a search. It is built from a spec (controller/spec) and does not change.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "controller/core/early_stop.h"
#include "controller/core/evaluation_metrics.h"
#include "controller/core/fair_share.h"
#include "controller/core/space.h"
#include "controller/core/standings.h"
#include "controller/core/strategy_options.h"
#include "controller/core/twin_book.h"

namespace layernas::core {

struct FinalOptions {
  // Winning architectures per target, or in total without targets. 0: the search ends without full
  // trainings.
  int per_target = 0;
  // Full trainings per architecture.
  int seeds = 1;
};

struct SearchConfig {
  Space space;
  std::string reward_metric;
  std::string cost_metric;
  // In any order.
  std::vector<double> targets;
  StrategyConfig strategy;
  std::uint64_t seed = 1;
  // Maximum candidates handed out; 0 = no limit.
  std::int64_t trainings = 0;
  // Repeats are part of the trainings: the last ones, or those after the strategy has run out of
  // proposals.
  FinalistOptions finalists;
  // Full trainings follow everything else and are not part of `trainings` and `duration`.
  FinalOptions finals;
  // Maximum time of the search from its first lease, including pauses; 0 = no limit.
  Millis duration{0};
  // Failed attempts without a success after which the search is FAILED (failure_tally.h).
  int initial_failures = 10;
  // Failed attempts after which a candidate ends (attempts.h).
  int attempts = 3;
  // Labels that a worker must have.
  std::map<std::string, std::string> require;
  // If set, architectures are measured before they are trained, on workers with these labels.
  // Otherwise one task does both.
  std::optional<std::map<std::string, std::string>> measure_on;
  // Candidates that are measured apart and exceed every target are not trained.
  bool measure_first = false;
  // Requires costs that are known before the training: per layer, or measured apart.
  EarlyStopOptions early_stop;
  Sharing sharing;
  // Identifies architectures of the same network; only the first of them is trained. Null if there
  // are none.
  NetworkIdentity network_identity;
  // Returns the metrics that follow from the architecture alone, as the controller counts them.
  // Needed only with `network_identity`.
  std::function<Metrics(const Architecture&)> count_metrics;
  // Equal for two searches if and only if they evaluate candidates of equal architecture in the
  // same way.
  std::string evaluation_key;
  // Use results of other searches with the same evaluation key.
  bool reuse_results = false;
};

}  // namespace layernas::core
