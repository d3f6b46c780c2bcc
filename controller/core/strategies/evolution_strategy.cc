#include "controller/core/strategies/evolution_strategy.h"

#include <algorithm>

namespace layernas::core {
namespace {

// Children in a row that are known or unwanted before the parents are given up, and draws before the space is.
constexpr int kFutileChildren = 200;
constexpr int kFutileDraws = 5000;

}  // namespace

EvolutionStrategy::EvolutionStrategy(const Space& space, std::span<const double> targets, EvolutionOptions options,
                                     std::uint64_t seed)
    : space_(space),
      options_(options),
      seed_(seed),
      targets_(targets.begin(), targets.end()),
      seen_(space.layers.size()) {
  if (targets_.empty()) targets_.push_back(std::numeric_limits<double>::infinity());
}

void EvolutionStrategy::Restore(std::span<const PastProposal> past) {
  // The order of proposal stands for that of arrival, which is not kept.
  for (const PastProposal& one : past) {
    seen_.Insert(one.proposal.architecture);
    if (one.finished) Observe(one.proposal.architecture, one.outcome);
  }
}

std::optional<Proposal> EvolutionStrategy::Propose() {
  if (exhausted_) return std::nullopt;
  RandomStream random({seed_, seen_.size()});
  const double target = targets_[seen_.size() % targets_.size()];
  if (static_cast<int>(seen_.size()) >= options_.population) {
    for (int i = 0; i < kFutileChildren; ++i) {
      const Evaluated* parent = Parent(target, random);
      if (parent == nullptr) break;
      Architecture child = Mutate(parent->architecture, random);
      if (Wanted(child, target) && seen_.Insert(child)) return Proposal{std::move(child), {}};
    }
  }
  for (int i = 0; i < kFutileDraws; ++i) {
    Architecture drawn = DrawUniformly(random);
    if (Wanted(drawn, target) && seen_.Insert(drawn)) return Proposal{std::move(drawn), {}};
  }
  exhausted_ = true;
  return std::nullopt;
}

std::size_t EvolutionStrategy::Ready() const {
  constexpr double kMany = 1e9;
  if (exhausted_) return 0;
  return static_cast<std::size_t>(std::max(std::min(space_.Size(), kMany) - static_cast<double>(seen_.size()), 0.0));
}

void EvolutionStrategy::Observe(const Architecture& architecture, std::optional<Outcome> outcome) {
  if (!outcome) return;
  population_.push_back({architecture, outcome->reward, outcome->cost});
  if (static_cast<int>(population_.size()) > options_.population) population_.pop_front();
}

Architecture EvolutionStrategy::DrawUniformly(RandomStream& random) const {
  Architecture drawn;
  drawn.reserve(space_.layers.size());
  for (const Layer& layer : space_.layers) drawn.push_back(static_cast<OptionIndex>(random.Below(layer.option_count)));
  return drawn;
}

Architecture EvolutionStrategy::Mutate(Architecture architecture, RandomStream& random) const {
  const std::size_t layer = random.Below(architecture.size());
  const OptionIndex options = space_.layers[layer].option_count;
  if (options > 1) {
    // Another option than the present one.
    architecture[layer] = static_cast<OptionIndex>((architecture[layer] + 1 + random.Below(options - 1)) % options);
  }
  return architecture;
}

const Evaluated* EvolutionStrategy::Parent(double target, RandomStream& random) const {
  const Evaluated* best = nullptr;
  const Evaluated* cheapest = nullptr;
  if (population_.empty()) return nullptr;
  for (int i = 0; i < options_.sample; ++i) {
    const Evaluated& drawn = population_[random.Below(population_.size())];
    if (drawn.cost <= target && (best == nullptr || Better(drawn, *best))) best = &drawn;
    if (cheapest == nullptr || drawn.cost < cheapest->cost) cheapest = &drawn;
  }
  return best != nullptr ? best : cheapest;
}

bool EvolutionStrategy::Wanted(const Architecture& architecture, double target) const {
  return !space_.CostIsPerLayer() || space_.Cost(architecture) <= target;
}

}  // namespace layernas::core
