#include "controller/core/strategies/exhaustive_strategy.h"

namespace layernas::core {

ExhaustiveStrategy::ExhaustiveStrategy(const Space& space, std::span<const double> targets)
    : space_(space),
      targets_(targets.begin(), targets.end()),
      wanted_(space, HighestTarget(targets)),
      size_(wanted_.CountUpTo(kMaxCounted)),
      seen_(space.layers.size()),
      next_(wanted_) {}

void ExhaustiveStrategy::Restore(std::span<const PastProposal> past) {
  for (const PastProposal& one : past) {
    if (seen_.Insert(one.proposal.architecture)) tried_ += wanted_.Contains(one.proposal.architecture) ? 1 : 0;
  }
  next_.Update(seen_);
}

Supply ExhaustiveStrategy::supply() const {
  if (!next_.get()) return {Supply::When::kNever, 0, WhyNothingIsLeft(space_, targets_, tried_)};
  return {Supply::When::kNow, CountLeft(space_, size_, tried_), ""};
}

std::optional<Proposal> ExhaustiveStrategy::Propose() {
  if (!next_.get()) return std::nullopt;
  Proposal proposal{*next_.get(), {}};
  seen_.Insert(proposal.architecture);
  ++tried_;
  next_.Update(seen_);
  return proposal;
}

}  // namespace layernas::core
