// Every architecture, in lexicographic order.
#pragma once

#include <limits>

#include "controller/core/architecture_index.h"
#include "controller/core/space.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// Where the cost is known per layer, only architectures that meet the largest target.
class ExhaustiveStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy.
  ExhaustiveStrategy(const Space& space, std::span<const double> targets);

  void Restore(std::span<const PastProposal> past) override;
  std::optional<Proposal> Propose() override;
  std::size_t Ready() const override { return next_.empty() ? 0 : 1; }
  void Observe(const Architecture&, std::optional<Outcome>) override {}
  bool Done() const override { return next_.empty(); }

 private:
  // Moves next_ on to the next wanted architecture that is not in `seen_`; empty at the end.
  void Advance();
  bool Wanted() const;

  const Space& space_;
  double largest_wanted_ = std::numeric_limits<double>::infinity();
  ArchitectureIndex seen_;
  Architecture next_;
};

}  // namespace layernas::core
