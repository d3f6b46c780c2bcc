// Random search: draws architectures uniformly and without repeats.
#pragma once

#include <string>
#include <vector>

#include "controller/core/architecture_index.h"
#include "controller/core/space.h"
#include "controller/core/strategies/limit_sampler.h"
#include "controller/core/strategies/within_limit.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// If the cost is known per layer, it draws only architectures that meet the largest target.
class RandomStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy.
  RandomStrategy(const Space& space, std::span<const double> targets, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  Supply supply() const override;
  std::optional<Proposal> Propose() override;
  void Observe(const Architecture&, const Observation&) override {}

 private:
  void DrawNext();

  const Space& space_;
  const std::vector<double> targets_;
  const std::uint64_t seed_;
  const WithinLimit wanted_;
  const LimitSampler sampler_;
  // Proposed architectures. Their number is the key of the next draw, so a restart draws the same
  // architecture.
  ArchitectureIndex seen_;
  // Those within the limit.
  std::size_t tried_ = 0;
  // The next result of Propose().
  std::optional<Architecture> next_;
};

}  // namespace layernas::core
