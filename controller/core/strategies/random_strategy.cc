#include "controller/core/strategies/random_strategy.h"

#include <algorithm>

namespace layernas::core {
namespace {

// Draws in a row that bring nothing new before the space is taken to be used up, or looked through if it is small.
constexpr int kFutileDraws = 2000;
constexpr double kSmallSpace = 1'000'000;

// The next architecture in lexicographic order, around the corner at the end.
void Increment(const Space& space, Architecture& architecture) {
  for (std::size_t i = architecture.size(); i-- > 0;) {
    if (++architecture[i] < space.layers[i].option_count) return;
    architecture[i] = 0;
  }
}

}  // namespace

RandomStrategy::RandomStrategy(const Space& space, std::span<const double> targets, std::uint64_t seed)
    : space_(space), seed_(seed), seen_(space.layers.size()) {
  if (!targets.empty()) largest_wanted_ = *std::max_element(targets.begin(), targets.end());
}

void RandomStrategy::Restore(std::span<const PastProposal> past) {
  for (const PastProposal& one : past) seen_.Insert(one.proposal.architecture);
}

std::optional<Proposal> RandomStrategy::Propose() {
  if (Done()) return std::nullopt;
  RandomStream random({seed_, seen_.size()});
  for (int i = 0; i < kFutileDraws; ++i) {
    Architecture drawn = Draw(random);
    if (Wanted(drawn) && seen_.Insert(drawn)) return Proposal{std::move(drawn), {}};
  }
  if (space_.Size() <= kSmallSpace) {
    Architecture next = Draw(random);
    for (double i = 0; i < space_.Size(); ++i, Increment(space_, next)) {
      if (Wanted(next) && seen_.Insert(next)) return Proposal{next, {}};
    }
  }
  exhausted_ = true;
  return std::nullopt;
}

std::size_t RandomStrategy::Ready() const {
  if (exhausted_) return 0;
  constexpr double kMany = 1e15;
  const auto size = static_cast<std::size_t>(std::min(space_.Size(), kMany));
  return size - std::min(seen_.size(), size);
}

Architecture RandomStrategy::Draw(RandomStream& random) const {
  Architecture drawn;
  drawn.reserve(space_.layers.size());
  for (const Layer& layer : space_.layers) drawn.push_back(static_cast<OptionIndex>(random.Below(layer.option_count)));
  return drawn;
}

bool RandomStrategy::Wanted(const Architecture& architecture) const {
  return !space_.CostIsPerLayer() || space_.Cost(architecture) <= largest_wanted_;
}

}  // namespace layernas::core
