#include "controller/core/strategies/random_strategy.h"

#include <utility>

#include "common/base/random.h"

namespace layernas::core {

RandomStrategy::RandomStrategy(const Space& space, std::span<const double> targets, std::uint64_t seed)
    : space_(space),
      targets_(targets.begin(), targets.end()),
      seed_(seed),
      wanted_(space, HighestTarget(targets)),
      sampler_(wanted_),
      seen_(space.layers.size()) {
  DrawNext();
}

void RandomStrategy::Restore(std::span<const PastProposal> past) {
  for (const PastProposal& one : past) {
    if (seen_.Insert(one.proposal.architecture)) tried_ += wanted_.Contains(one.proposal.architecture) ? 1 : 0;
  }
  DrawNext();
}

Supply RandomStrategy::supply() const {
  if (!next_) return {Supply::When::kNever, 0, WhyNothingIsLeft(space_, targets_, tried_)};
  return {Supply::When::kNow, CountLeft(space_, sampler_.size(), tried_), ""};
}

std::optional<Proposal> RandomStrategy::Propose() {
  if (!next_) return std::nullopt;
  Proposal proposal{*std::move(next_), {}};
  seen_.Insert(proposal.architecture);
  ++tried_;
  DrawNext();
  return proposal;
}

void RandomStrategy::DrawNext() {
  RandomStream random({seed_, seen_.size()});
  next_ = sampler_.DrawUnseen(random, seen_);
}

}  // namespace layernas::core
