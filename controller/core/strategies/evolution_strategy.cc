#include "controller/core/strategies/evolution_strategy.h"

#include <functional>
#include <map>
#include <utility>

#include "common/base/cost_limit.h"

namespace layernas::core {
namespace {

// Maximum children in a row that are known or unwanted. After that the parents are not used.
constexpr int kFutileChildren = 200;

}  // namespace

EvolutionStrategy::EvolutionStrategy(const Space& space, std::span<const double> targets, EvolutionOptions options,
                                     std::uint64_t seed)
    : space_(space),
      options_(options),
      seed_(seed),
      targets_(targets.begin(), targets.end()),
      seen_(space.layers.size()) {
  const double highest = HighestTarget(targets);
  choices_.emplace_back(space, highest);
  std::map<double, const Choice*, std::greater<>> of_target;
  for (const double target : targets_) of_target[target] = &all();
  for (auto& [target, choice] : of_target) {
    if (target == highest || !space.CostIsPerLayer()) continue;
    choice = &choices_.emplace_back(choices_.back(), target, of_target.size());
  }
  for (const double target : targets_) turns_.push_back({target, of_target.at(target)});
  if (turns_.empty()) turns_.push_back({highest, &all()});
  left_.emplace(all().wanted);
}

void EvolutionStrategy::Restore(std::span<const PastProposal> past) {
  // The order of arrival is not stored; the order of proposal is used instead.
  for (const PastProposal& one : past) {
    Insert(one.proposal.architecture);
    if (one.observation) Observe(one.proposal.architecture, *one.observation);
  }
}

Supply EvolutionStrategy::supply() const {
  if (!left_->get()) return {Supply::When::kNever, 0, WhyNothingIsLeft(space_, targets_, tried_)};
  return {Supply::When::kNow, CountLeft(space_, all().sampler.size(), tried_), ""};
}

std::optional<Proposal> EvolutionStrategy::Propose() {
  if (!left_->get()) return std::nullopt;
  RandomStream random({seed_, seen_.size()});
  const std::size_t first = seen_.size() % turns_.size();
  for (std::size_t i = 0; i < turns_.size(); ++i) {
    Turn& turn = turns_[(first + i) % turns_.size()];
    if (turn.used_up) continue;
    if (std::optional<Architecture> found = ProposeFor(turn, random)) {
      Insert(*found);
      return Proposal{*std::move(found), {}};
    }
    turn.used_up = true;
  }
  return std::nullopt;
}

std::optional<Architecture> EvolutionStrategy::ProposeFor(const Turn& turn, RandomStream& random) const {
  for (int i = 0; i < kFutileChildren && static_cast<int>(seen_.size()) >= options_.population; ++i) {
    const Evaluated* parent = Parent(turn.target, random);
    if (parent == nullptr) break;
    Architecture child = Mutate(parent->architecture, random);
    if (turn.choice->wanted.Contains(child) && !seen_.Contains(child)) return child;
  }
  return turn.choice->sampler.DrawUnseen(random, seen_);
}

void EvolutionStrategy::Insert(const Architecture& architecture) {
  if (!seen_.Insert(architecture)) return;
  tried_ += all().wanted.Contains(architecture) ? 1 : 0;
  left_->Update(seen_);
}

void EvolutionStrategy::Observe(const Architecture& architecture, const Observation& observation) {
  if (observation.kind != Observation::Kind::kResult) return;
  population_.push_back({architecture, observation.outcome.reward, observation.outcome.cost});
  if (static_cast<int>(population_.size()) > options_.population) population_.pop_front();
}

Architecture EvolutionStrategy::Mutate(Architecture architecture, RandomStream& random) const {
  const std::size_t layer = random.Below(architecture.size());
  const OptionIndex options = space_.layers[layer].option_count;
  if (options > 1) {
    // Draw an option that differs from the present one.
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
    if (MeetsLimit(drawn.cost, target) && (best == nullptr || Better(drawn, *best))) best = &drawn;
    if (cheapest == nullptr || drawn.cost < cheapest->cost) cheapest = &drawn;
  }
  return best != nullptr ? best : cheapest;
}

}  // namespace layernas::core
