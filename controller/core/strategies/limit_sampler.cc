#include "controller/core/strategies/limit_sampler.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "common/base/cost_limit.h"

namespace layernas::core {
namespace {

// Options of listed architectures, all together: 4 MB.
constexpr std::size_t kMostListedOptions = 2'000'000;
// Cells of the grid: with L layers, about exp(L * L / (2 * cells)) draws are needed for one.
constexpr std::size_t kCellsPerLayer = 64;
constexpr std::size_t kFewestCells = 1024;
constexpr std::size_t kMostCells = 8192;
// Of all layers together: 8 MB.
constexpr std::size_t kMostCellsInAll = 1'000'000;
// If the exact cost rules out so many draws in a row, the grid is too coarse.
constexpr int kRefusedDraws = 300;
// Options looked at to find that out; a draw looks at all that the space has.
constexpr std::size_t kTrialOptions = 20'000'000;
// Of the stream of draws that tells whether it is.
constexpr std::uint64_t kTrialKey = 0x9a1d;
// Draws in a row that bring only what was seen before the rest is looked through.
constexpr int kFutileDraws = 200;

}  // namespace

LimitSampler::LimitSampler(const WithinLimit& wanted, std::size_t sharers)
    : wanted_(wanted), size_(wanted.CountUpTo(kMostCounted / sharers)) {
  if (wanted.IsEverything()) return;
  if (size_ && *size_ * wanted.costs().size() <= kMostListedOptions / sharers) {
    list_.reserve(*size_ * wanted.costs().size());
    wanted.ForEach([this](const Architecture& one) {
      list_.insert(list_.end(), one.begin(), one.end());
      return true;
    });
  } else {
    CountOnGrid(sharers);
  }
}

void LimitSampler::CountOnGrid(std::size_t sharers) {
  const std::vector<std::vector<double>>& costs = wanted_.costs();
  const std::size_t cells = std::min(std::clamp(kCellsPerLayer * costs.size(), kFewestCells, kMostCells),
                                     std::max<std::size_t>(kMostCellsInAll / sharers / costs.size(), 1));
  const double left = WidenedLimit(wanted_.limit()) - wanted_.space().base_cost - wanted_.CheapestFrom(0);
  // A little more than is left, so that rounding takes away nothing that is wanted.
  const double per_cost =
      left > 0 ? static_cast<double>(cells) / left * (1 - 1e-6) : std::numeric_limits<double>::infinity();
  std::size_t options = 0;
  for (const std::vector<double>& of_layer : costs) {
    options += of_layer.size();
    const double cheapest = *std::min_element(of_layer.begin(), of_layer.end());
    auto& excess = excess_.emplace_back();
    for (const double cost : of_layer) {
      const double share = cost > cheapest ? (cost - cheapest) * per_cost : 0;
      excess.push_back(share > static_cast<double>(cells) ? cells + 1 : static_cast<std::size_t>(share));
    }
  }
  completions_.assign(costs.size() + 1, {});
  completions_.back().assign(cells + 1, 1.0);
  for (std::size_t l = costs.size(); l-- > 0;) {
    std::vector<double>& here = completions_[l];
    here.assign(cells + 1, 0.0);
    for (const std::size_t excess : excess_[l]) {
      for (std::size_t c = excess; c <= cells; ++c) here[c] += completions_[l + 1][c - excess];
    }
    const double most = here.back();
    for (double& count : here) count /= most;
  }
  RandomStream random({kTrialKey});
  const std::size_t draws = std::clamp<std::size_t>(kTrialOptions / sharers / options, 1, kRefusedDraws);
  coarse_ = true;
  for (std::size_t i = 0; coarse_ && i < draws; ++i) coarse_ = !DrawOnGrid(random, false).has_value();
}

Architecture LimitSampler::Listed(std::size_t index) const {
  const std::size_t layers = wanted_.costs().size();
  const auto begin = list_.begin() + static_cast<std::ptrdiff_t>(index * layers);
  return Architecture(begin, begin + static_cast<std::ptrdiff_t>(layers));
}

Architecture LimitSampler::DrawAny(RandomStream& random) const {
  Architecture drawn;
  drawn.reserve(wanted_.costs().size());
  for (const auto& costs : wanted_.costs()) drawn.push_back(static_cast<OptionIndex>(random.Below(costs.size())));
  return drawn;
}

std::optional<Architecture> LimitSampler::DrawOnGrid(RandomStream& random, bool keep_within) const {
  Architecture drawn;
  drawn.reserve(excess_.size());
  std::size_t left = completions_.back().size() - 1;
  double sum = wanted_.space().base_cost;
  for (std::size_t l = 0; l < excess_.size(); ++l) {
    const std::vector<double>& costs = wanted_.costs()[l];
    const auto count = [&](std::size_t option) {
      const std::size_t excess = excess_[l][option];
      if (excess > left || (keep_within && !wanted_.CanGoOn(sum + costs[option], l))) return 0.0;
      return completions_[l + 1][left - excess];
    };
    double total = 0;
    for (std::size_t o = 0; o < costs.size(); ++o) total += count(o);
    double at = random.Uniform() * total;
    // The cheapest should nothing count, which takes numbers that are too small for a double.
    auto chosen = static_cast<std::size_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
    for (std::size_t o = 0; o < costs.size(); ++o) {
      const double here = count(o);
      // The last that counts, should rounding leave something over.
      if (here > 0) chosen = o;
      if (at < here) break;
      at -= here;
    }
    sum += costs[chosen];
    if (!wanted_.CanGoOn(sum, l)) return std::nullopt;
    left -= std::min(left, excess_[l][chosen]);
    drawn.push_back(static_cast<OptionIndex>(chosen));
  }
  return drawn;
}

Architecture LimitSampler::Draw(RandomStream& random) const {
  if (wanted_.IsEverything()) return DrawAny(random);
  if (!list_.empty()) return Listed(random.Below(*size_));
  for (int i = 0; !coarse_ && i < kRefusedDraws; ++i) {
    if (std::optional<Architecture> drawn = DrawOnGrid(random, false)) return *std::move(drawn);
  }
  if (std::optional<Architecture> drawn = DrawOnGrid(random, true)) return *std::move(drawn);
  return *wanted_.First();
}

std::optional<Architecture> LimitSampler::DrawUnseen(RandomStream& random, const ArchitectureIndex& seen) const {
  if (size_ == 0u) return std::nullopt;
  Architecture drawn;
  for (int i = 0; i < kFutileDraws; ++i) {
    drawn = Draw(random);
    if (!seen.Contains(drawn)) return drawn;
  }
  // From the last one drawn to the end, and from the beginning to it.
  const Architecture start = drawn;
  std::optional<Architecture> next = wanted_.Next(std::move(drawn));
  for (; next; next = wanted_.Next(*std::move(next))) {
    if (!seen.Contains(*next)) return next;
  }
  for (next = wanted_.First(); next && *next != start; next = wanted_.Next(*std::move(next))) {
    if (!seen.Contains(*next)) return next;
  }
  return std::nullopt;
}

}  // namespace layernas::core
