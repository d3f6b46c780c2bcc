#include "benchmarks/peers/model_search.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace layernas::bench {
namespace {

using Eigen::VectorXd;

// Starting points of the local search.
constexpr std::size_t kBestStarts = 5;
constexpr std::size_t kDrawnStarts = 5;
constexpr std::size_t kDraws = 500;

double NormalCdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
double NormalPdf(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi); }

struct Scale {
  double mean = 0;
  double deviation = 1;
  double Of(double value) const { return (value - mean) / deviation; }
};

Scale ScaleOf(const VectorXd& values) {
  const double mean = values.mean();
  const double deviation = std::sqrt((values.array() - mean).square().mean());
  return {mean, deviation > 0 ? deviation : 1};
}

VectorXd Standardised(const VectorXd& values, const Scale& scale) {
  return (values.array() - scale.mean) / scale.deviation;
}

}  // namespace

void ModelSearch::Observe(const core::Architecture& architecture, double reward, double cost) {
  trials_.Add(architecture, reward, cost);
}

void ModelSearch::Fit() {
  const auto count = static_cast<std::ptrdiff_t>(trials_.size());
  const VectorXd rewards = Eigen::Map<const VectorXd>(trials_.rewards().data(), count);
  const Scale of_rewards = ScaleOf(rewards);
  reward_->Fit(trials_.architectures(), Standardised(rewards, of_rewards));
  const std::vector<std::size_t> ranked = trials_.Ranked();
  best_.reset();
  if (!ranked.empty()) best_ = of_rewards.Of(trials_.rewards()[ranked.front()]);
  if (cost_ == nullptr) return;
  const VectorXd costs = Eigen::Map<const VectorXd>(trials_.costs().data(), count).array().log();
  const Scale of_costs = ScaleOf(costs);
  cost_->Fit(trials_.architectures(), Standardised(costs, of_costs));
  limit_ = of_costs.Of(std::log(trials_.target()));
}

VectorXd ModelSearch::Acquisition(const std::vector<core::Architecture>& architectures) const {
  VectorXd acquisition = VectorXd::Ones(static_cast<std::ptrdiff_t>(architectures.size()));
  if (best_) {
    const Prediction reward = reward_->Predict(architectures);
    for (std::ptrdiff_t i = 0; i < acquisition.size(); ++i) {
      const double deviation = std::max(reward.deviation[i], 1e-9);
      const double z = (reward.mean[i] - *best_) / deviation;
      acquisition[i] = deviation * (z * NormalCdf(z) + NormalPdf(z));
    }
  }
  if (cost_ == nullptr) return acquisition;
  const Prediction cost = cost_->Predict(architectures);
  for (std::ptrdiff_t i = 0; i < acquisition.size(); ++i) {
    acquisition[i] *= NormalCdf((limit_ - cost.mean[i]) / std::max(cost.deviation[i], 1e-9));
  }
  return acquisition;
}

std::optional<core::Architecture> ModelSearch::Propose() {
  if (trials_.size() < kInitialDesign) return trials_.DrawToTrain();
  Fit();
  if (!trials_.IsSmall()) return Climb();
  const std::vector<core::Architecture> all = trials_.AllToTrain();
  if (all.empty()) return std::nullopt;
  std::ptrdiff_t best = 0;
  Acquisition(all).maxCoeff(&best);
  return all[static_cast<std::size_t>(best)];
}

std::optional<core::Architecture> ModelSearch::Climb() {
  std::vector<core::Architecture> starts;
  for (std::size_t draw = 0; draw < kDraws; ++draw) {
    auto drawn = trials_.DrawToTrain();
    if (!drawn) break;
    starts.push_back(*std::move(drawn));
  }
  if (!starts.empty()) {
    const VectorXd acquisition = Acquisition(starts);
    std::vector<std::size_t> order(starts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return acquisition[static_cast<std::ptrdiff_t>(a)] > acquisition[static_cast<std::ptrdiff_t>(b)];
    });
    std::vector<core::Architecture> kept;
    for (std::size_t i = 0; i < std::min(kDrawnStarts, order.size()); ++i) kept.push_back(starts[order[i]]);
    starts = std::move(kept);
  }
  const std::vector<std::size_t> ranked = trials_.Ranked();
  for (std::size_t i = 0; i < std::min(kBestStarts, ranked.size()); ++i) {
    starts.push_back(trials_.architectures()[ranked[i]]);
  }

  std::optional<core::Architecture> found;
  double highest = -1;
  for (core::Architecture& here : starts) {
    // A start that was trained already is left for its best neighbour.
    double height = trials_.MayTrain(here) ? Acquisition({here})[0] : -1;
    while (true) {
      std::vector<core::Architecture> around = trials_.Neighbours(here);
      std::erase_if(around, [this](const core::Architecture& one) { return !trials_.MayTrain(one); });
      if (around.empty()) break;
      std::ptrdiff_t best = 0;
      const double next = Acquisition(around).maxCoeff(&best);
      if (next <= height) break;
      height = next;
      here = around[static_cast<std::size_t>(best)];
    }
    if (height > highest) {
      highest = height;
      found = here;
    }
  }
  return found;
}

}  // namespace layernas::bench
