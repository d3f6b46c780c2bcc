#include "controller/core/strategies/exhaustive_strategy.h"

#include <algorithm>

namespace layernas::core {

ExhaustiveStrategy::ExhaustiveStrategy(const Space& space, std::span<const double> targets)
    : space_(space), seen_(space.layers.size()), next_(space.layers.size(), 0) {
  if (!targets.empty()) largest_wanted_ = *std::max_element(targets.begin(), targets.end());
  if (!Wanted()) Advance();
}

void ExhaustiveStrategy::Restore(std::span<const PastProposal> past) {
  for (const PastProposal& one : past) seen_.Insert(one.proposal.architecture);
  if (seen_.Contains(next_)) Advance();
}

std::optional<Proposal> ExhaustiveStrategy::Propose() {
  if (next_.empty()) return std::nullopt;
  Proposal proposal{next_, {}};
  Advance();
  return proposal;
}

void ExhaustiveStrategy::Advance() {
  do {
    std::size_t layer = next_.size();
    while (layer > 0 && ++next_[layer - 1] == space_.layers[layer - 1].option_count) next_[--layer] = 0;
    if (layer == 0) {
      next_.clear();
      return;
    }
  } while (!Wanted() || seen_.Contains(next_));
}

bool ExhaustiveStrategy::Wanted() const { return !space_.CostIsPerLayer() || space_.Cost(next_) <= largest_wanted_; }

}  // namespace layernas::core
