// Exhaustive search: proposes every architecture, in lexicographic order.
#pragma once

#include <vector>

#include "controller/core/architecture_index.h"
#include "controller/core/space.h"
#include "controller/core/strategies/within_limit.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// If the cost is known per layer, it proposes only architectures that meet the largest target.
class ExhaustiveStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy.
  ExhaustiveStrategy(const Space& space, std::span<const double> targets);

  void Restore(std::span<const PastProposal> past) override;
  Supply supply() const override;
  std::optional<Proposal> Propose() override;
  void Observe(const Architecture&, const Observation&) override {}

 private:
  const Space& space_;
  const std::vector<double> targets_;
  const WithinLimit wanted_;
  const std::optional<std::size_t> size_;
  ArchitectureIndex seen_;
  // Proposed architectures within the limit.
  std::size_t tried_ = 0;
  FirstUnseen next_;
};

}  // namespace layernas::core
