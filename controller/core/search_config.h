// What a search is asked to do. Built from a spec (controller/spec); fixed for the life of the search.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "controller/core/early_stop.h"
#include "controller/core/fair_share.h"
#include "controller/core/space.h"
#include "controller/core/standings.h"
#include "controller/core/strategy_options.h"
#include "controller/core/twin_book.h"

namespace layernas::core {

struct FinalOptions {
  // Architectures that win per target, without targets in all. 0: the search ends without trainings in full.
  int per_target = 0;
  // Trainings in full of each.
  int seeds = 1;
};

struct SearchConfig {
  Space space;
  std::string reward_metric;
  std::string cost_metric;
  // Ascending order not required.
  std::vector<double> targets;
  StrategyConfig strategy;
  std::uint64_t seed = 1;
  // Maximum candidates handed out; 0 = no limit.
  std::int64_t trainings = 0;
  // Their repeats are part of the trainings: the last ones, or what follows when the strategy has nothing left.
  FinalistOptions finalists;
  // Come after everything else, and are no part of `trainings` and `duration`.
  FinalOptions finals;
  // Of searching, from the first lease, pauses included; 0 = no limit.
  Millis duration{0};
  // Failed attempts without any success after which the search is FAILED (failure_tally.h).
  int initial_failures = 10;
  // Failed attempts after which a candidate is given up (attempts.h).
  int attempts = 3;
  // Labels that a worker must have.
  std::map<std::string, std::string> require;
  // Architectures are measured apart, before they are trained, on workers with these labels; none: one task does both.
  std::optional<std::map<std::string, std::string>> measure_on;
  // What is measured apart and exceeds every target is not trained.
  bool measure_first = false;
  // Needs costs that are known before the training: per layer, or measured apart.
  EarlyStopOptions early_stop;
  Sharing sharing;
  // Tells architectures of the same network, of which only the first is trained; null where there are none.
  NetworkIdentity network_identity;
  // Equal for two searches if, and only if, their candidates of equal architecture are evaluated in the same way.
  std::string evaluation_key;
  // Take results of other searches of the same evaluation key.
  bool reuse_results = false;
};

}  // namespace layernas::core
