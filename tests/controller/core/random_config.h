// A search whose configuration is drawn.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "controller/core/search.h"
#include "tests/controller/core/strategy_runs.h"
#include "tests/controller/support/draws.h"

namespace layernas::core {

inline SearchConfig RandomConfig(RandomStream& random) {
  SearchConfig config;
  const bool per_layer = random.Below(2) == 0;
  config.space = RandomSpace(random, 4, 4, per_layer);
  config.reward_metric = "accuracy";
  config.cost_metric = "latency_ms";
  for (std::uint64_t i = random.Below(3); i > 0; --i) {
    config.targets.push_back((per_layer ? config.space.CheapestCost() : 3) + random.Below(12));
  }
  config.strategy = RandomOptions{};
  if (random.Below(3) > 0) {
    LayerNasOptions options;
    options.buckets.count = 1 + static_cast<int>(random.Below(6));
    options.replicas = 1 + static_cast<int>(random.Below(2));
    options.order.resize(config.space.layers.size());
    std::iota(options.order.begin(), options.order.end(), 0);
    options.passes = 1 + static_cast<int>(random.Below(3));
    if (random.Below(3) == 0) options.stage_limit = 4;
    config.strategy = options;
  } else if (random.Below(2) == 0) {
    config.strategy = EvolutionOptions{2 + static_cast<int>(random.Below(6)), 1 + static_cast<int>(random.Below(4))};
  } else if (random.Below(2) == 0) {
    config.strategy = ExhaustiveOptions{};
  } else if (random.Below(4) == 0) {
    config.strategy = GuidedOptions{};
  }
  config.seed = random.Next();
  if (random.Below(2) == 0) config.trainings = 1 + random.Below(40);
  if (random.Below(2) == 0) {
    config.finalists = {2 + static_cast<int>(random.Below(3)), 1 + static_cast<std::int64_t>(random.Below(12))};
  }
  if (random.Below(4) == 0) config.duration = Millis(1 + random.Below(400'000));
  config.initial_failures = 1 + static_cast<int>(random.Below(12));
  config.attempts = 1 + static_cast<int>(random.Below(4));
  if (random.Below(3) == 0) {
    config.measure_on.emplace();
    config.measure_first = !per_layer && !config.targets.empty() &&
                           !std::holds_alternative<LayerNasOptions>(config.strategy) && random.Below(2) == 0;
  }
  if (random.Below(3) == 0) {
    config.finals = {1 + static_cast<int>(random.Below(3)), 1 + static_cast<int>(random.Below(2))};
  }
  if (random.Below(3) == 0 && (per_layer || config.measure_on)) {
    config.early_stop = {1 + static_cast<int>(random.Below(4)), 1 + static_cast<int>(random.Below(2))};
  }
  return config;
}

}  // namespace layernas::core
