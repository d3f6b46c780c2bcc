// Random search: architectures drawn uniformly, without repeats.
#pragma once

#include <string>
#include <vector>

#include "controller/core/architecture_index.h"
#include "controller/core/space.h"
#include "controller/core/strategies/limit_sampler.h"
#include "controller/core/strategies/within_limit.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// Where the cost is known per layer, only architectures that meet the largest target are drawn.
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
  // What was proposed. Its size keys the next draw, so that a restart draws the same.
  ArchitectureIndex seen_;
  // Of these, within the limit.
  std::size_t tried_ = 0;
  // What Propose() will return.
  std::optional<Architecture> next_;
};

}  // namespace layernas::core
