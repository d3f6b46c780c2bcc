#include "client/report/statistics.h"

#include <Eigen/IterativeLinearSolvers>
#include <Eigen/Sparse>
#include <algorithm>
#include <cmath>
#include <limits>

#include "common/base/cost_limit.h"

namespace layernas::client {
namespace {

// As if so many results of each option had shown no effect: one result alone proves little.
constexpr double kShrinkage = 1.0;

// What each column of `design`, one per option, adds to the mean: a ridge regression. Sparse and without its normal
// equations, for a space may have many thousands of options.
Eigen::VectorXd FitAdditively(const Eigen::SparseMatrix<double>& design, const Eigen::VectorXd& values) {
  Eigen::LeastSquaresConjugateGradient<Eigen::SparseMatrix<double>> solver(design);
  solver.setTolerance(1e-8);
  Eigen::VectorXd wanted = Eigen::VectorXd::Zero(design.rows());
  wanted.head(values.size()) = values.array() - values.mean();
  return solver.solve(wanted);
}

}  // namespace

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
  // A row for each result; then, for the shrinkage, one for each option.
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
