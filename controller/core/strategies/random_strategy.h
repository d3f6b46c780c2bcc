// Random search: architectures drawn uniformly, without repeats.
#pragma once

#include <limits>

#include "common/base/random.h"
#include "controller/core/architecture_index.h"
#include "controller/core/space.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// Where the cost is known per layer, only architectures that meet the largest target are drawn.
class RandomStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy.
  RandomStrategy(const Space& space, std::span<const double> targets, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  std::optional<Proposal> Propose() override;
  std::size_t Ready() const override;
  void Observe(const Architecture&, std::optional<Outcome>) override {}
  bool Done() const override { return Ready() == 0; }

 private:
  Architecture Draw(RandomStream& random) const;
  bool Wanted(const Architecture& architecture) const;

  const Space& space_;
  const std::uint64_t seed_;
  double largest_wanted_ = std::numeric_limits<double>::infinity();
  // What was proposed. Its size keys the next draw, so that a restart draws the same.
  ArchitectureIndex seen_;
  bool exhausted_ = false;
};

}  // namespace layernas::core
