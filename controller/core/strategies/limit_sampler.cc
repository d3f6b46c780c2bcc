#include "controller/core/strategies/limit_sampler.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/base/cost_limit.h"

namespace layernas::core {
namespace {

// Maximum options of all listed architectures together: 4 MB.
constexpr std::size_t kMaxListedOptions = 2'000'000;
// Cells of the grid per layer. With L layers, one result needs about exp(L * L / (2 * cells))
// draws.
constexpr std::size_t kCellsPerLayer = 64;
constexpr std::size_t kFewestCells = 1024;
constexpr std::size_t kMaxCells = 8192;
// Maximum for all layers together: 8 MB.
constexpr std::size_t kMaxCellsInAll = 1'000'000;
// The grid is too coarse if the exact cost excludes this many draws in a row.
constexpr int kRefusedDraws = 300;
// Maximum options visited in this trial; one draw visits all options of the space.
constexpr std::size_t kTrialOptions = 20'000'000;
// Key of the random stream for this trial.
constexpr std::uint64_t kTrialKey = 0x9a1d;
// Maximum draws in a row of seen architectures; after that the rest is searched in order.
constexpr int kFutileDraws = 200;

}  // namespace

LimitSampler::LimitSampler(const WithinLimit& wanted) : wanted_(wanted) { Prepare(nullptr, 1); }

LimitSampler::LimitSampler(const WithinLimit& wanted, const LimitSampler& wider, std::size_t sharers)
    : wanted_(wanted) {
  Prepare(&wider, sharers);
}

void LimitSampler::Prepare(const LimitSampler* wider, std::size_t sharers) {
  size_ = wanted_.CountUpTo(kMaxCounted / sharers);
  if (wanted_.IsEverything()) return;
  const std::size_t layers = wanted_.costs().size();
  if (size_ && *size_ * layers <= kMaxListedOptions / sharers) {
    list_.reserve(*size_ * layers);
    wanted_.ForEach([this](const Architecture& one) {
      list_.insert(list_.end(), one.begin(), one.end());
      return true;
    });
    return;
  }
  grid_ = wider != nullptr && wider->grid_ != nullptr ? wider->grid_ : MakeGrid();
  // A little more than what is left, so that rounding excludes no wanted architecture.
  const double cells_left = std::max(CostLeft(), 0.0) * grid_->cells_per_cost * (1 + 1e-9);
  const std::size_t cells = grid_->cells();
  cells_left_ = cells_left < static_cast<double>(cells) ? static_cast<std::size_t>(cells_left) : cells;
  coarse_ = IsCoarse(sharers);
}

double LimitSampler::CostLeft() const {
  return WidenedLimit(wanted_.limit()) - wanted_.space().base_cost - wanted_.CheapestFrom(0);
}

std::shared_ptr<const LimitSampler::Grid> LimitSampler::MakeGrid() const {
  auto grid = std::make_shared<Grid>();
  const std::vector<std::vector<double>>& costs = wanted_.costs();
  const std::size_t cells =
      std::min(std::clamp(kCellsPerLayer * costs.size(), kFewestCells, kMaxCells), kMaxCellsInAll / costs.size());
  const double left = CostLeft();
  // See above.
  grid->cells_per_cost =
      left > 0 ? static_cast<double>(cells) / left * (1 - 1e-6) : std::numeric_limits<double>::infinity();
  for (const std::vector<double>& of_layer : costs) {
    const double cheapest = *std::min_element(of_layer.begin(), of_layer.end());
    auto& excess = grid->excess.emplace_back();
    for (const double cost : of_layer) {
      const double share = cost > cheapest ? (cost - cheapest) * grid->cells_per_cost : 0;
      excess.push_back(static_cast<std::uint16_t>(std::min(share, static_cast<double>(cells + 1))));
    }
  }
  std::vector<std::vector<double>>& completions = grid->completions;
  completions.assign(costs.size() + 1, {});
  completions.back().assign(cells + 1, 1.0);
  for (std::size_t l = costs.size(); l-- > 0;) {
    std::vector<double>& here = completions[l];
    here.assign(cells + 1, 0.0);
    for (const std::size_t excess : grid->excess[l]) {
      for (std::size_t c = excess; c <= cells; ++c) here[c] += completions[l + 1][c - excess];
    }
    const double most = here.back();
    for (double& count : here) count /= most;
  }
  return grid;
}

bool LimitSampler::IsCoarse(std::size_t sharers) const {
  std::size_t options = 0;
  for (const auto& of_layer : wanted_.costs()) options += of_layer.size();
  RandomStream random({kTrialKey});
  const std::size_t draws = std::clamp<std::size_t>(kTrialOptions / sharers / options, 1, kRefusedDraws);
  for (std::size_t i = 0; i < draws; ++i) {
    if (DrawOnGrid(random, false)) return false;
  }
  return true;
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
  drawn.reserve(grid_->excess.size());
  std::size_t left = cells_left_;
  double sum = wanted_.space().base_cost;
  for (std::size_t l = 0; l < grid_->excess.size(); ++l) {
    const std::vector<double>& costs = wanted_.costs()[l];
    const auto count = [&](std::size_t option) {
      const std::size_t excess = grid_->excess[l][option];
      if (excess > left || (keep_within && !wanted_.CanGoOn(sum + costs[option], l))) return 0.0;
      return grid_->completions[l + 1][left - excess];
    };
    double total = 0;
    for (std::size_t o = 0; o < costs.size(); ++o) total += count(o);
    double at = random.Uniform() * total;
    // The cheapest option, if all counts are too small for a double.
    auto chosen = static_cast<std::size_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
    for (std::size_t o = 0; o < costs.size(); ++o) {
      const double here = count(o);
      // The last option that counts, in case rounding leaves a remainder.
      if (here > 0) chosen = o;
      if (at < here) break;
      at -= here;
    }
    sum += costs[chosen];
    if (!wanted_.CanGoOn(sum, l)) return std::nullopt;
    left -= std::min<std::size_t>(left, grid_->excess[l][chosen]);
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
  // Search from the last drawn architecture to the end, then from the beginning.
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
