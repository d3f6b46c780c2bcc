// Makes strategies. No other file knows all of them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "controller/core/space.h"
#include "controller/core/strategy.h"
#include "controller/core/strategy_options.h"

namespace layernas::core {

// Makes the strategy that `config` describes. `space` must outlive it. `targets`: upper bounds of
// the cost, may be empty. `trainings`: the budget; 0 = no limit. `seed`: seed of all random draws.
std::unique_ptr<Strategy> MakeStrategy(const StrategyConfig& config, const Space& space,
                                       std::span<const double> targets, std::int64_t trainings, std::uint64_t seed);

}  // namespace layernas::core
