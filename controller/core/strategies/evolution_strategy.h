// Regularized evolution (Real et al., AAAI 2019): a population ages, the best of a random sample of it is mutated in
// one layer, the oldest dies.
#pragma once

#include <deque>
#include <limits>
#include <vector>

#include "common/base/random.h"
#include "controller/core/architecture_index.h"
#include "controller/core/space.h"
#include "controller/core/strategy.h"
#include "controller/core/strategy_options.h"

namespace layernas::core {

// Under constraint: proposals take turns between the targets; a parent is the best of the sample that meets the turn's
// target, or the cheapest where none does. Where the cost is known per layer, children that miss the target are not
// born.
class EvolutionStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy.
  EvolutionStrategy(const Space& space, std::span<const double> targets, EvolutionOptions options, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  std::optional<Proposal> Propose() override;
  std::size_t Ready() const override;
  void Observe(const Architecture& architecture, std::optional<Outcome> outcome) override;
  bool Done() const override { return exhausted_; }

 private:
  Architecture DrawUniformly(RandomStream& random) const;
  Architecture Mutate(Architecture architecture, RandomStream& random) const;
  // The individual to mutate; null while the population is empty.
  const Evaluated* Parent(double target, RandomStream& random) const;
  bool Wanted(const Architecture& architecture, double target) const;

  const Space& space_;
  const EvolutionOptions options_;
  const std::uint64_t seed_;
  // Unbounded if the search has none.
  std::vector<double> targets_;
  // Oldest first.
  std::deque<Evaluated> population_;
  ArchitectureIndex seen_;
  bool exhausted_ = false;
};

}  // namespace layernas::core
