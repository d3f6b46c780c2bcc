#include "client/report/statistics.h"

#include <Eigen/IterativeLinearSolvers>
#include <Eigen/Sparse>
#include <algorithm>
#include <cmath>
#include <limits>

#include "common/base/cost_limit.h"

namespace layernas::client {
namespace {

// Number of imaginary results without effect per option, because a single result proves little.
constexpr double kShrinkage = 1.0;

// Ridge regression: returns what each column of `design`, one per option, adds to the mean. Works
// on the sparse matrix without the normal equations, because a space can have many thousands of
// options.
Eigen::VectorXd FitAdditively(const Eigen::SparseMatrix<double>& design, const Eigen::VectorXd& values) {
  Eigen::LeastSquaresConjugateGradient<Eigen::SparseMatrix<double>> solver(design);
  solver.setTolerance(1e-8);
  Eigen::VectorXd wanted = Eigen::VectorXd::Zero(design.rows());
  wanted.head(values.size()) = values.array() - values.mean();
  return solver.solve(wanted);
}

// Two-sided quantile of Student's t-distribution for `probability`, by the Cornish-Fisher expansion
// of the normal quantile. Slightly too large for fewer than three degrees of freedom.
double StudentQuantile(double probability, double degrees) {
  // Normal quantile by bisection: the function is monotonic, and speed does not matter here.
  double low = 0;
  double high = 40;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(middle / std::sqrt(2.0)) > probability ? low : high) = middle;
  }
  const double z = low;
  return z + (std::pow(z, 3) + z) / (4 * degrees) +
         (5 * std::pow(z, 5) + 16 * std::pow(z, 3) + 3 * z) / (96 * degrees * degrees);
}

// Sets the margins. `residuals`: the part of each result that the model does not explain.
void SetMargins(const Eigen::VectorXd& residuals, const Eigen::VectorXd& rewards,
                std::vector<std::vector<OptionEffect>>& effects) {
  std::size_t tried = 0;
  for (const auto& options : effects) {
    for (const OptionEffect& effect : options) tried += effect.results > 0 ? 1 : 0;
  }
  // All options except one per layer, and the mean.
  const double parameters = static_cast<double>(tried) - static_cast<double>(effects.size()) + 1;
  const auto results = static_cast<double>(rewards.size());
  // A model with nearly as many parameters as results also explains the noise. In that case, treat
  // all variation of the results as noise.
  const bool explains = results >= 3 * parameters;
  const double degrees = explains ? results - parameters : results - 1;
  if (degrees < 2) return;
  const double squares = explains ? residuals.squaredNorm() : (rewards.array() - rewards.mean()).matrix().squaredNorm();
  // Bonferroni correction for the number of intervals.
  const double margin = StudentQuantile(0.05 / static_cast<double>(tried), degrees) * std::sqrt(squares / degrees);
  for (auto& options : effects) {
    for (OptionEffect& effect : options) {
      if (effect.results > 0) effect.reward_margin = margin / std::sqrt(static_cast<double>(effect.results));
    }
  }
}

}  // namespace

std::optional<std::size_t> ToldApart(std::span<const OptionEffect> options) {
  std::optional<std::size_t> best;
  int tried = 0;
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (options[i].results == 0) continue;
    ++tried;
    if (!best.has_value() || options[i].reward > options[*best].reward) best = i;
  }
  if (tried < 2) return std::nullopt;
  const double lowest = options[*best].reward - options[*best].reward_margin;
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (i == *best || options[i].results == 0) continue;
    if (!(options[i].reward + options[i].reward_margin < lowest)) return std::nullopt;
  }
  return best;
}

std::vector<std::size_t> BestSoFar(std::span<const Score> in_order, double target) {
  std::vector<std::size_t> better;
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < in_order.size(); ++i) {
    if (!MeetsLimit(in_order[i].cost, target) || in_order[i].reward <= best) continue;
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
  if (results.empty()) return effects;
  std::vector<std::size_t> first = {0};
  for (const std::size_t options : options_of_layer) first.push_back(first.back() + options);
  // One row per result, then one row per option for the shrinkage.
  std::vector<Eigen::Triplet<double>> entries;
  for (std::size_t i = 0; i < results.size(); ++i) {
    for (std::size_t layer = 0; layer < effects.size(); ++layer) {
      entries.emplace_back(i, first[layer] + choices[i][layer], 1);
    }
  }
  for (std::size_t i = 0; i < first.back(); ++i) entries.emplace_back(results.size() + i, i, std::sqrt(kShrinkage));
  Eigen::SparseMatrix<double> design(static_cast<Eigen::Index>(results.size() + first.back()),
                                     static_cast<Eigen::Index>(first.back()));
  design.setFromTriplets(entries.begin(), entries.end());
  Eigen::VectorXd rewards(results.size()), costs(results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    rewards[static_cast<Eigen::Index>(i)] = results[i].reward;
    costs[static_cast<Eigen::Index>(i)] = results[i].cost;
  }
  const Eigen::VectorXd of_reward = FitAdditively(design, rewards);
  const Eigen::VectorXd of_cost = FitAdditively(design, costs);
  for (std::size_t layer = 0; layer < effects.size(); ++layer) {
    for (std::size_t option = 0; option < effects[layer].size(); ++option) {
      effects[layer][option].reward = of_reward[static_cast<Eigen::Index>(first[layer] + option)];
      effects[layer][option].cost = of_cost[static_cast<Eigen::Index>(first[layer] + option)];
    }
  }
  const Eigen::VectorXd explained = (design * of_reward).head(rewards.size());
  SetMargins((rewards.array() - rewards.mean()).matrix() - explained, rewards, effects);
  // Effects are relative to the mean option of the layer, so that layers with few results do not
  // drift.
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
