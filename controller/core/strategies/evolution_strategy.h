// Regularized evolution (Real et al., AAAI 2019): a population ages, the best of a random sample of it is mutated in
// one layer, the oldest dies.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "common/base/random.h"
#include "controller/core/architecture_index.h"
#include "controller/core/space.h"
#include "controller/core/strategies/limit_sampler.h"
#include "controller/core/strategies/within_limit.h"
#include "controller/core/strategy.h"
#include "controller/core/strategy_options.h"

namespace layernas::core {

// Under constraint: proposals take turns between the targets; a parent is the best of the sample that meets the turn's
// target, or the cheapest if none does. If the cost is known per layer, children that miss the target are not born, and
// a target within which everything was tried passes its turn to the next one.
class EvolutionStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy.
  EvolutionStrategy(const Space& space, std::span<const double> targets, EvolutionOptions options, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  Supply supply() const override;
  std::optional<Proposal> Propose() override;
  void Observe(const Architecture& architecture, const Observation& observation) override;

 private:
  // What a target wants.
  struct Choice {
    Choice(const Space& space, double limit) : wanted(space, limit), sampler(wanted) {}
    // One of `sharers` lower targets.
    Choice(const Choice& higher, double limit, std::size_t sharers)
        : wanted(higher.wanted, limit), sampler(wanted, higher.sampler, sharers) {}

    const WithinLimit wanted;
    const LimitSampler sampler;
  };

  struct Turn {
    // Infinite if the search has no target.
    double target = 0;
    // Shared where the cost is only measured: then everything is wanted.
    const Choice* choice = nullptr;
    // Everything that it wants was tried.
    bool used_up = false;
  };

  const Choice& all() const { return choices_.front(); }
  std::optional<Architecture> ProposeFor(const Turn& turn, RandomStream& random) const;
  void Insert(const Architecture& architecture);
  Architecture Mutate(Architecture architecture, RandomStream& random) const;
  // The individual to mutate; null while the population is empty.
  const Evaluated* Parent(double target, RandomStream& random) const;

  const Space& space_;
  const EvolutionOptions options_;
  const std::uint64_t seed_;
  const std::vector<double> targets_;
  // Stay where they are: others point to them. The first is of the highest target, which wants whatever any target
  // wants; the others follow in descending order. There may be hundreds: they share a grid.
  std::deque<Choice> choices_;
  std::vector<Turn> turns_;
  // Oldest first.
  std::deque<Evaluated> population_;
  ArchitectureIndex seen_;
  // Of what was proposed, within the highest target.
  std::size_t tried_ = 0;
  // Of all that is wanted: tells whether anything is left.
  std::optional<FirstUnseen> left_;
};

}  // namespace layernas::core
