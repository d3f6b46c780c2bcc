// The one place that knows all strategies.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "controller/core/space.h"
#include "controller/core/strategy.h"
#include "controller/core/strategy_options.h"

namespace layernas::core {

// `space` must outlive the strategy. `targets`: upper bounds of the cost, or none. `trainings`: the budget; 0 = no
// limit. `seed`: of every random draw.
std::unique_ptr<Strategy> MakeStrategy(const StrategyConfig& config, const Space& space,
                                       std::span<const double> targets, std::int64_t trainings, std::uint64_t seed);

}  // namespace layernas::core
