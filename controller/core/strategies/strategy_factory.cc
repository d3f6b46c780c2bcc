#include "controller/core/strategies/strategy_factory.h"

#include <variant>

#include "controller/core/strategies/evolution_strategy.h"
#include "controller/core/strategies/exhaustive_strategy.h"
#include "controller/core/strategies/guided/guided_strategy.h"
#include "controller/core/strategies/layernas_strategy.h"
#include "controller/core/strategies/random_strategy.h"

namespace layernas::core {

std::unique_ptr<Strategy> MakeStrategy(const StrategyConfig& config, const Space& space,
                                       std::span<const double> targets, std::int64_t trainings, std::uint64_t seed) {
  struct Maker {
    const Space& space;
    std::span<const double> targets;
    std::int64_t trainings;
    std::uint64_t seed;
    std::unique_ptr<Strategy> operator()(const LayerNasOptions& options) const {
      return std::make_unique<LayerNasStrategy>(space, targets, options, seed);
    }
    std::unique_ptr<Strategy> operator()(const GuidedOptions&) const {
      return std::make_unique<GuidedStrategy>(space, targets, trainings, seed);
    }
    std::unique_ptr<Strategy> operator()(const RandomOptions&) const {
      return std::make_unique<RandomStrategy>(space, targets, seed);
    }
    std::unique_ptr<Strategy> operator()(const EvolutionOptions& options) const {
      return std::make_unique<EvolutionStrategy>(space, targets, options, seed);
    }
    std::unique_ptr<Strategy> operator()(const ExhaustiveOptions&) const {
      return std::make_unique<ExhaustiveStrategy>(space, targets);
    }
  };
  return std::visit(Maker{space, targets, trainings, seed}, config);
}

}  // namespace layernas::core
