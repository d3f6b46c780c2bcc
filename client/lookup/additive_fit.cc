#include "client/lookup/additive_fit.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace layernas::client {
namespace {

constexpr int kMaxUnknowns = 2000;
constexpr std::size_t kMinSamples = 3;
// Strengths of the ridge, in units of the squared relative error of one sample.
constexpr double kWeakestRidge = 1e-4;
constexpr double kStrongestRidge = 10;
// Limits of coordinate descent.
constexpr int kMaxRounds = 1000;
constexpr double kMinChange = 1e-6;

// Returns the column of the first option of each layer; column 0 is the base.
std::vector<int> FirstColumns(const v1::Space& space) {
  std::vector<int> first = {1};
  for (const v1::Layer& layer : space.layers()) first.push_back(first.back() + layer.options_size());
  return first;
}

absl::Status CheckEveryOptionIsThere(const v1::Space& space, std::span<const Sample> samples) {
  for (int i = 0; i < space.layers_size(); ++i) {
    const v1::Layer& layer = space.layers(i);
    for (int j = 0; j < layer.options_size(); ++j) {
      const bool there =
          std::any_of(samples.begin(), samples.end(), [i, j](const Sample& sample) { return sample.choices[i] == j; });
      if (there) continue;
      return absl::FailedPreconditionError(absl::StrCat("no measured network has option \"", layer.options(j).name(),
                                                        "\" of layer \"", layer.name(), "\""));
    }
  }
  return absl::OkStatus();
}

struct Solution {
  Eigen::VectorXd costs;
  // Mean squared relative error of each sample, predicted from the other samples.
  double left_out = std::numeric_limits<double>::infinity();
  double ridge = 0;
};

// `rows` and the target values (ones) are divided by the measured costs, so that errors are
// relative.
Solution Solve(const Eigen::MatrixXd& rows, const Eigen::MatrixXd& products, double ridge) {
  Eigen::MatrixXd regularized = products;
  regularized.diagonal().tail(regularized.rows() - 1).array() += ridge;
  const Eigen::LDLT<Eigen::MatrixXd> factors(regularized);
  // Each column is the contribution of a sample to the solution.
  const Eigen::MatrixXd weights = factors.solve(rows.transpose());
  Solution solution;
  solution.ridge = ridge;
  solution.costs = weights.rowwise().sum();
  const Eigen::ArrayXd residuals = 1 - (rows * solution.costs).array();
  const Eigen::ArrayXd leverages = rows.cwiseProduct(weights.transpose()).rowwise().sum().array();
  const double left_out = (residuals / (1 - leverages).max(1e-6)).square().mean();
  if (std::isfinite(left_out)) solution.left_out = left_out;
  return solution;
}

// Solves the same least squares with non-negative costs, and therefore a base of at least 0, by
// coordinate descent. It converges because the problem is convex. The options compensate for what
// the base cannot represent.
Eigen::VectorXd SolveNotNegative(const Eigen::MatrixXd& rows, const Eigen::MatrixXd& products, double ridge) {
  const Eigen::VectorXd wanted = rows.colwise().sum().transpose();
  Eigen::VectorXd costs = Eigen::VectorXd::Zero(products.cols());
  for (int round = 0; round < kMaxRounds; ++round) {
    double largest_change = 0;
    for (Eigen::Index i = 0; i < costs.size(); ++i) {
      const double curvature = products(i, i) + (i > 0 ? ridge : 0);
      const double others = products.col(i).dot(costs) - products(i, i) * costs[i];
      const double cost = std::max(0.0, (wanted[i] - others) / curvature);
      largest_change = std::max(largest_change, std::abs(cost - costs[i]));
      costs[i] = cost;
    }
    // In units of a typical cost.
    if (largest_change < kMinChange) break;
  }
  return costs;
}

// Shifts the costs so that the cheapest option of each layer costs 0.
AdditiveCosts ToCosts(const v1::Space& space, const Eigen::VectorXd& solution) {
  AdditiveCosts costs;
  costs.base = solution[0];
  const std::vector<int> first = FirstColumns(space);
  for (int layer = 0; layer < space.layers_size(); ++layer) {
    const Eigen::VectorXd options = solution.segment(first[layer], space.layers(layer).options_size());
    const double least = options.minCoeff();
    costs.base += least;
    std::vector<double>& of_layer = costs.options.emplace_back();
    for (const double option : options) of_layer.push_back(option - least);
  }
  return costs;
}

// Ranks from 0; equal values share the mean of their ranks. Values that differ only by the rounding
// of sums count as equal.
Eigen::ArrayXd Ranks(const Eigen::ArrayXd& values) {
  const double tolerance = 1e-12 * values.abs().maxCoeff();
  std::vector<Eigen::Index> order(static_cast<std::size_t>(values.size()));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&values](auto a, auto b) { return values[a] < values[b]; });
  Eigen::ArrayXd ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] <= values[order[begin]] + tolerance) ++end;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = static_cast<double>(begin + end - 1) / 2;
    begin = end;
  }
  return ranks;
}

double RankCorrelation(const Eigen::ArrayXd& a, const Eigen::ArrayXd& b) {
  const Eigen::ArrayXd x = Ranks(a) - Ranks(a).mean();
  const Eigen::ArrayXd y = Ranks(b) - Ranks(b).mean();
  const double spread = std::sqrt(x.square().sum() * y.square().sum());
  return spread > 0 ? (x * y).sum() / spread : 0;
}

double Quantile(const Eigen::ArrayXd& sorted, double q) {
  const auto rank = static_cast<Eigen::Index>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::clamp<Eigen::Index>(rank, 1, sorted.size()) - 1];
}

}  // namespace

double AdditiveCosts::Predict(std::span<const std::uint16_t> choices) const {
  double cost = base;
  for (std::size_t i = 0; i < choices.size(); ++i) cost += options[i][choices[i]];
  return cost;
}

int Unknowns(const v1::Space& space) {
  int unknowns = 1;
  for (const v1::Layer& layer : space.layers()) unknowns += layer.options_size() - 1;
  return unknowns;
}

absl::Status CheckCostCount(const v1::Space& space) {
  if (const int unknowns = Unknowns(space); unknowns > kMaxUnknowns) {
    return absl::InvalidArgumentError(absl::StrCat("the space has ", unknowns, " costs to determine, more than ",
                                                   kMaxUnknowns, ": reduce the options of its layers"));
  }
  return absl::OkStatus();
}

absl::StatusOr<AdditiveCosts> FitAdditiveCosts(const v1::Space& space, std::span<const Sample> samples) {
  LAYERNAS_RETURN_IF_ERROR(CheckCostCount(space));
  if (samples.size() < kMinSamples) {
    return absl::FailedPreconditionError(
        absl::StrCat("only ", samples.size(), " networks were measured, fewer than ", kMinSamples));
  }
  LAYERNAS_RETURN_IF_ERROR(CheckEveryOptionIsThere(space, samples));

  // In units of a typical cost, so that the ridge does not depend on the unit of the cost.
  double unit = 0;
  for (const Sample& sample : samples) unit += sample.cost / static_cast<double>(samples.size());
  const std::vector<int> first = FirstColumns(space);
  Eigen::MatrixXd rows = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(samples.size()), first.back());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    const double weight = unit / samples[i].cost;
    rows(row, 0) = weight;
    for (std::size_t layer = 0; layer < samples[i].choices.size(); ++layer) {
      rows(row, first[layer] + samples[i].choices[layer]) = weight;
    }
  }
  const Eigen::MatrixXd products = rows.transpose() * rows;
  Solution best;
  for (double ridge = kWeakestRidge; ridge <= kStrongestRidge; ridge *= std::sqrt(10.0)) {
    Solution solution = Solve(rows, products, ridge);
    if (solution.left_out < best.left_out) best = std::move(solution);
  }
  if (best.costs.size() == 0) return absl::InternalError("cannot fit the measured costs");

  AdditiveCosts costs = ToCosts(space, best.costs * unit);
  // If costs do not add up, the sum of the cheapest options can be negative. Raising only the base
  // would raise every prediction.
  if (costs.base < 0) costs = ToCosts(space, SolveNotNegative(rows, products, best.ridge) * unit);
  return costs;
}

PredictionError MeasureError(const AdditiveCosts& costs, std::span<const Sample> samples) {
  const auto count = static_cast<Eigen::Index>(samples.size());
  Eigen::ArrayXd measured(count), predicted(count);
  for (Eigen::Index i = 0; i < count; ++i) {
    const Sample& sample = samples[static_cast<std::size_t>(i)];
    measured[i] = sample.cost;
    predicted[i] = costs.Predict(sample.choices);
  }
  Eigen::ArrayXd errors = (predicted - measured).abs() / measured;
  std::sort(errors.begin(), errors.end());
  PredictionError error;
  error.networks = static_cast<int>(count);
  error.median = Quantile(errors, 0.5);
  error.p90 = Quantile(errors, 0.9);
  error.worst = errors[count - 1];
  error.spearman = RankCorrelation(predicted, measured);
  return error;
}

}  // namespace layernas::client
