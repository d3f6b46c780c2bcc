// Regularized evolution (Real et al., AAAI 2019): a population ages, the best individual of a
// random sample is mutated in one layer, and the oldest dies.
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

// With targets, proposals take turns between the targets. A parent is the best individual of the
// sample that meets the turn's target, or the cheapest if none does. If the cost is known per
// layer, children that miss the target are discarded. A target with no untried architecture passes
// its turn to the next target.
class EvolutionStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy.
  EvolutionStrategy(const Space& space, std::span<const double> targets, EvolutionOptions options, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  Supply supply() const override;
  std::optional<Proposal> Propose() override;
  void Observe(const Architecture& architecture, const Observation& observation) override;

 private:
  // The architectures wanted for a target.
  struct Choice {
    Choice(const Space& space, double limit) : wanted(space, limit), sampler(wanted) {}
    // Constructs one of `sharers` choices for lower targets.
    Choice(const Choice& higher, double limit, std::size_t sharers)
        : wanted(higher.wanted, limit), sampler(wanted, higher.sampler, sharers) {}

    const WithinLimit wanted;
    const LimitSampler sampler;
  };

  struct Turn {
    // Infinite if the search has no target.
    double target = 0;
    // Shared if the cost is only measured: then everything is wanted.
    const Choice* choice = nullptr;
    // All architectures wanted for the target were tried.
    bool used_up = false;
  };

  const Choice& all() const { return choices_.front(); }
  std::optional<Architecture> ProposeFor(const Turn& turn, RandomStream& random) const;
  void Insert(const Architecture& architecture);
  Architecture Mutate(Architecture architecture, RandomStream& random) const;
  // Returns the individual to mutate, or null while the population is empty.
  const Evaluated* Parent(double target, RandomStream& random) const;

  const Space& space_;
  const EvolutionOptions options_;
  const std::uint64_t seed_;
  const std::vector<double> targets_;
  // A deque, because others point to the elements. The first is for the highest target and wants
  // everything that any target wants; the others follow in descending order. There may be hundreds:
  // they share a grid.
  std::deque<Choice> choices_;
  std::vector<Turn> turns_;
  // Oldest first.
  std::deque<Evaluated> population_;
  ArchitectureIndex seen_;
  // Proposed architectures within the highest target.
  std::size_t tried_ = 0;
  // Tells whether any wanted architecture is left.
  std::optional<FirstUnseen> left_;
};

}  // namespace layernas::core
