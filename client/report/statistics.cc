#include "client/report/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace layernas::client {
namespace {

// As if so many results of each option had shown no effect: one result alone proves little.
constexpr double kShrinkage = 1.0;
constexpr int kMostSweeps = 60;
constexpr double kSettled = 1e-4;

// Gauss-Seidel on the normal equations: each sweep sets every layer's effects to the mean of what the others leave
// unexplained. `value_of(result)` is what is explained, `effect_of(effect)` where its part goes.
template <typename ValueOf, typename EffectOf>
void FitAdditively(std::span<const std::vector<std::uint16_t>> choices, std::span<const Score> results,
                   ValueOf value_of, EffectOf effect_of, std::vector<std::vector<OptionEffect>>& effects) {
  if (results.empty()) return;
  double mean = 0;
  for (const Score& result : results) mean += value_of(result) / static_cast<double>(results.size());
  std::vector<double> unexplained;
  double spread = 0;
  for (const Score& result : results) {
    unexplained.push_back(value_of(result) - mean);
    spread = std::max(spread, std::abs(unexplained.back()));
  }
  std::vector<double> sums;
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    double largest_step = 0;
    for (std::size_t layer = 0; layer < effects.size(); ++layer) {
      std::vector<OptionEffect>& options = effects[layer];
      sums.assign(options.size(), 0);
      for (std::size_t i = 0; i < results.size(); ++i) sums[choices[i][layer]] += unexplained[i];
      for (std::size_t option = 0; option < options.size(); ++option) {
        double& effect = effect_of(options[option]);
        const auto count = static_cast<double>(options[option].results);
        // The sum with this effect taken out again, over the shrunken count; then the step there.
        const double step = (sums[option] + count * effect) / (count + kShrinkage) - effect;
        effect += step;
        sums[option] = step;
        largest_step = std::max(largest_step, std::abs(step));
      }
      for (std::size_t i = 0; i < results.size(); ++i) unexplained[i] -= sums[choices[i][layer]];
    }
    if (largest_step <= kSettled * spread) break;
  }
}

}  // namespace

std::vector<std::size_t> BestSoFar(std::span<const Score> in_order, double target) {
  std::vector<std::size_t> better;
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < in_order.size(); ++i) {
    if (in_order[i].cost > target || in_order[i].reward <= best) continue;
    best = in_order[i].reward;
    better.push_back(i);
  }
  return better;
}

std::vector<double> GapsToFrontier(std::span<const Score> frontier, std::span<const Score> results) {
  std::vector<double> gaps;
  gaps.reserve(results.size());
  for (const Score& result : results) {
    const auto dearer = std::upper_bound(frontier.begin(), frontier.end(), result.cost,
                                         [](double cost, const Score& point) { return cost < point.cost; });
    gaps.push_back(dearer == frontier.begin() ? 0 : std::max(0.0, std::prev(dearer)->reward - result.reward));
  }
  return gaps;
}

std::vector<std::vector<OptionEffect>> OptionEffects(std::span<const std::size_t> options_of_layer,
                                                     std::span<const std::vector<std::uint16_t>> choices,
                                                     std::span<const Score> results) {
  std::vector<std::vector<OptionEffect>> effects;
  for (const std::size_t options : options_of_layer) effects.emplace_back(options);
  for (const std::vector<std::uint16_t>& chosen : choices) {
    for (std::size_t layer = 0; layer < effects.size(); ++layer) ++effects[layer][chosen[layer]].results;
  }
  FitAdditively(
      choices, results, [](const Score& score) { return score.reward; },
      [](OptionEffect& effect) -> double& { return effect.reward; }, effects);
  FitAdditively(
      choices, results, [](const Score& score) { return score.cost; },
      [](OptionEffect& effect) -> double& { return effect.cost; }, effects);
  // Effects are against the layer's mean option, so that layers in which everything was tried little do not drift.
  for (std::vector<OptionEffect>& options : effects) {
    OptionEffect mean;
    for (const OptionEffect& effect : options) {
      if (effect.results == 0) continue;
      ++mean.results;
      mean.reward += effect.reward;
      mean.cost += effect.cost;
    }
    for (OptionEffect& effect : options) {
      if (effect.results == 0) continue;
      effect.reward -= mean.reward / static_cast<double>(mean.results);
      effect.cost -= mean.cost / static_cast<double>(mean.results);
    }
  }
  return effects;
}

}  // namespace layernas::client
