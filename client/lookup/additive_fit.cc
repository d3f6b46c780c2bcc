#include "client/lookup/additive_fit.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace layernas::client {
namespace {

constexpr int kMaxUnknowns = 2000;
constexpr std::size_t kMinSamples = 3;
// Strengths of the ridge, in units of the squared relative error of one sample.
constexpr double kWeakestRidge = 1e-4;
constexpr double kStrongestRidge = 10;
// A sample of hardly any cost must not decide alone.
constexpr double kLargestWeight = 1e4;
// The largest cost of a sample, in units of a typical cost. Larger numbers could overflow.
constexpr double kLargestCost = 1e100;
// A cost is implausible if it is more than the factor away from the prediction, and if its error is
// larger than this multiple of the median error.
constexpr double kImplausibleFactor = 2;
constexpr double kImplausibleErrors = 3;
constexpr std::size_t kMostImplausible = 10;
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

// The mean cost, where a cost counts at most a hundred times the median, so that no wrong reading
// dominates it.
double TypicalCost(std::span<const Sample> samples) {
  std::vector<double> costs;
  for (const Sample& sample : samples) costs.push_back(sample.cost);
  const auto middle = costs.begin() + static_cast<std::ptrdiff_t>(costs.size() / 2);
  std::nth_element(costs.begin(), middle, costs.end());
  const double most = 100 * *middle;
  double sum = 0;
  for (const double cost : costs) sum += std::min(cost, most);
  return sum / static_cast<double>(costs.size());
}

// Returns a row per sample, scaled by its weight: the base, then the options of each layer.
Eigen::MatrixXd Rows(const v1::Space& space, std::span<const Sample> samples, const Eigen::VectorXd& weights) {
  const std::vector<int> first = FirstColumns(space);
  Eigen::MatrixXd rows = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(samples.size()), first.back());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    rows(row, 0) = weights[row];
    for (std::size_t layer = 0; layer < samples[i].choices.size(); ++layer) {
      rows(row, first[layer] + samples[i].choices[layer]) = weights[row];
    }
  }
  return rows;
}

Eigen::VectorXd CostsInUnits(std::span<const Sample> samples, double unit) {
  Eigen::VectorXd costs(static_cast<Eigen::Index>(samples.size()));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    costs[static_cast<Eigen::Index>(i)] = std::min(samples[i].cost / unit, kLargestCost);
  }
  return costs;
}

struct Solution {
  Eigen::VectorXd costs;
  // How much each sample decides its own prediction, from 0 to 1.
  Eigen::ArrayXd leverages;
  // Error of each sample, predicted from the other samples, times its weight.
  Eigen::ArrayXd errors;
  // Mean squared relative error of each sample, predicted from the other samples.
  double left_out = std::numeric_limits<double>::infinity();
  double ridge = 0;
  // Of rows' * rows with the ridge.
  Eigen::LDLT<Eigen::MatrixXd> factors;
};

// Share of its prediction that the other samples decide.
Eigen::ArrayXd DecidedByOthers(const Eigen::ArrayXd& leverages) { return (1 - leverages).max(1e-6); }

// `rows` and the target values `wanted` are multiplied by the weights of the samples. `products`:
// rows' * rows.
Solution Solve(const Eigen::MatrixXd& rows, const Eigen::VectorXd& wanted, const Eigen::MatrixXd& products,
               double ridge) {
  Eigen::MatrixXd regularized = products;
  regularized.diagonal().tail(regularized.rows() - 1).array() += ridge;
  Solution solution;
  solution.factors.compute(regularized);
  // Each column is the contribution of a sample to the solution.
  const Eigen::MatrixXd weights = solution.factors.solve(rows.transpose());
  solution.ridge = ridge;
  solution.costs = weights * wanted;
  const Eigen::ArrayXd residuals = (wanted - rows * solution.costs).array();
  solution.leverages = rows.cwiseProduct(weights.transpose()).rowwise().sum().array();
  solution.errors = residuals / DecidedByOthers(solution.leverages);
  const double left_out = solution.errors.square().mean();
  if (std::isfinite(left_out)) solution.left_out = left_out;
  return solution;
}

// Changes the solution to that of the other samples, `left_out` excepted. Much cheaper than Solve().
// The entries of the sample in the solution then mean nothing.
void LeaveOut(const Eigen::MatrixXd& rows, const Eigen::VectorXd& wanted, Eigen::Index sample, Solution& solution) {
  const Eigen::VectorXd row = rows.row(sample).transpose();
  const Eigen::VectorXd contribution = solution.factors.solve(row);
  const double others = DecidedByOthers(solution.leverages)[sample];
  solution.costs -= contribution * solution.errors[sample];
  solution.leverages += (rows * contribution).array().square() / others;
  solution.errors = (wanted - rows * solution.costs).array() / DecidedByOthers(solution.leverages);
  solution.factors.rankUpdate(row, -1);
}

// Solves the same least squares with non-negative costs, and therefore a base of at least 0, by
// coordinate descent. It converges because the problem is convex. The options compensate for what
// the base cannot represent. Not solved to the end once `stop` is requested.
Eigen::VectorXd SolveNotNegative(const Eigen::MatrixXd& rows, const Eigen::VectorXd& targets,
                                 const Eigen::MatrixXd& products, double ridge, const std::stop_token& stop) {
  const Eigen::VectorXd wanted = rows.transpose() * targets;
  Eigen::VectorXd costs = Eigen::VectorXd::Zero(products.cols());
  for (int round = 0; round < kMaxRounds && !stop.stop_requested(); ++round) {
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

// Median size of the errors of the samples whose weight is not 0.
double MedianError(const Solution& solution, const Eigen::VectorXd& weights) {
  std::vector<double> errors;
  for (Eigen::Index i = 0; i < weights.size(); ++i) {
    if (weights[i] > 0) errors.push_back(std::abs(solution.errors[i]));
  }
  const auto middle = errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2);
  std::nth_element(errors.begin(), middle, errors.end());
  return *middle;
}

// Unlike the mean, the median hardly depends on a wrong reading.
const Solution& OfLeastMedianError(const std::vector<Solution>& solutions, const Eigen::VectorXd& weights) {
  return *std::min_element(solutions.begin(), solutions.end(), [&weights](const Solution& a, const Solution& b) {
    return MedianError(a, weights) < MedianError(b, weights);
  });
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

absl::StatusOr<AdditiveCosts> FitAdditiveCosts(const v1::Space& space, std::span<const Sample> samples,
                                               const std::stop_token& stop) {
  LAYERNAS_RETURN_IF_ERROR(CheckCostCount(space));
  if (samples.size() < kMinSamples) {
    return absl::FailedPreconditionError(
        absl::StrCat("only ", samples.size(), " networks were measured, fewer than ", kMinSamples));
  }
  LAYERNAS_RETURN_IF_ERROR(CheckEveryOptionIsThere(space, samples));

  // In units of a typical cost, so that the ridge does not depend on the unit of the cost.
  const double unit = TypicalCost(samples);
  const Eigen::VectorXd costs_in_units = CostsInUnits(samples, unit);
  // Errors are relative.
  const Eigen::VectorXd weights = costs_in_units.cwiseInverse().cwiseMin(kLargestWeight);
  const Eigen::VectorXd wanted = weights.cwiseProduct(costs_in_units);
  const Eigen::MatrixXd rows = Rows(space, samples, weights);
  const Eigen::MatrixXd products = rows.transpose() * rows;
  Solution best;
  for (double ridge = kWeakestRidge; ridge <= kStrongestRidge; ridge *= std::sqrt(10.0)) {
    if (stop.stop_requested()) return absl::CancelledError("interrupted");
    Solution solution = Solve(rows, wanted, products, ridge);
    if (solution.left_out < best.left_out) best = std::move(solution);
  }
  if (best.costs.size() == 0) return absl::InternalError("cannot fit the measured costs");

  AdditiveCosts costs = ToCosts(space, best.costs * unit);
  // If costs do not add up, the sum of the cheapest options can be negative. Raising only the base
  // would raise every prediction.
  if (costs.base < 0) costs = ToCosts(space, SolveNotNegative(rows, wanted, products, best.ridge, stop) * unit);
  if (stop.stop_requested()) return absl::CancelledError("interrupted");
  return costs;
}

absl::StatusOr<std::vector<Implausible>> FindImplausible(const v1::Space& space, std::span<const Sample> samples,
                                                         const std::stop_token& stop) {
  std::vector<Implausible> found;
  if (samples.size() < kMinSamples || !CheckCostCount(space).ok()) return found;
  const double unit = TypicalCost(samples);
  const Eigen::VectorXd costs = CostsInUnits(samples, unit);
  // Unlike those of the fit, these weights let no sample count more than a typical one, so that a
  // wrong reading distorts the predictions for others less than that for itself.
  Eigen::VectorXd weights = costs.cwiseMax(1).cwiseInverse();
  const Eigen::MatrixXd rows = Rows(space, samples, weights);
  const Eigen::VectorXd wanted = weights.cwiseProduct(costs);
  const Eigen::MatrixXd products = rows.transpose() * rows;
  std::vector<Solution> solutions;
  for (double ridge = kWeakestRidge; ridge <= kStrongestRidge; ridge *= 10) {
    if (stop.stop_requested()) return absl::CancelledError("interrupted");
    solutions.push_back(Solve(rows, wanted, products, ridge));
  }
  const std::size_t most = std::min(3 + samples.size() / 20, kMostImplausible);
  AdditiveCosts plausible;
  while (true) {
    if (stop.stop_requested()) return absl::CancelledError("interrupted");
    const Solution& now = OfLeastMedianError(solutions, weights);
    plausible = ToCosts(space, now.costs * unit);
    std::optional<Eigen::Index> worst;
    for (Eigen::Index i = 0; i < costs.size() && found.size() < most; ++i) {
      if (weights[i] == 0) continue;
      const double predicted = costs[i] - now.errors[i] / weights[i];
      const bool near = costs[i] <= kImplausibleFactor * predicted && predicted <= kImplausibleFactor * costs[i];
      if (!near && (!worst || std::abs(now.errors[i]) > std::abs(now.errors[*worst]))) worst = i;
    }
    if (!worst) break;
    const double error = std::abs(now.errors[*worst]);
    weights[*worst] = 0;
    for (Solution& solution : solutions) LeaveOut(rows, wanted, *worst, solution);
    if (error <= kImplausibleErrors * MedianError(OfLeastMedianError(solutions, weights), weights)) break;
    found.push_back({static_cast<std::size_t>(*worst), 0});
  }
  for (Implausible& one : found) {
    one.predicted = plausible.Predict(samples[one.sample].choices);
  }
  return found;
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
