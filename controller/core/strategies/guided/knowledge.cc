#include "controller/core/strategies/guided/knowledge.h"

#include <algorithm>
#include <cmath>

#include "controller/core/strategies/guided/surface.h"

namespace layernas::core {
namespace {

// The lower half of the rewards does not help to model the good ones.
constexpr double kClippedShare = 0.5;
constexpr double kRewardNoise = 0.03;
constexpr double kCostNoise = 0.01;
constexpr double kFeasibilityNoise = 0.05;
// Maximum architectures of each kind that the model of feasibility is fitted to: the latest.
constexpr std::size_t kMaxOfAKind = 400;
// Variances are fitted again when the number of results has grown by this factor.
constexpr double kMoreResults = 1.1;
// Up to this many results, the models are fitted again for each result. Later they are fitted again
// when the number of results has grown by a factor; results in between are appended.
constexpr std::size_t kAlwaysFitted = 500;
constexpr double kMoreToFit = 1.01;

// Returns [layer][option]: the share of the cost of the layer's most expensive option, to the power
// 1/2.
std::vector<std::vector<double>> CostShares(const Space& space) {
  std::vector<std::vector<double>> all;
  for (const Layer& layer : space.layers) {
    const double dearest = *std::max_element(layer.costs.begin(), layer.costs.end());
    const double cheapest = std::min(0.0, *std::min_element(layer.costs.begin(), layer.costs.end()));
    auto& shares = all.emplace_back();
    for (const double cost : layer.costs) {
      shares.push_back(dearest > cheapest ? std::sqrt((cost - cheapest) / (dearest - cheapest)) : 0);
    }
  }
  return all;
}

// Rewards and costs beyond this count as this: sums of their squares would overflow.
constexpr double kHuge = 1e150;

double Bounded(double value) { return std::clamp(value, -kHuge, kHuge); }

// Returns the latest kMaxOfAKind.
std::vector<Architecture> Latest(const std::vector<Architecture>& all) {
  return {all.end() - static_cast<std::ptrdiff_t>(std::min(all.size(), kMaxOfAKind)), all.end()};
}

}  // namespace

GuidedKnowledge::GuidedKnowledge(const Space& space, std::span<const double> targets)
    : space_(space),
      targets_(targets.begin(), targets.end()),
      wanted_(space, HighestTarget(targets)),
      left_(wanted_),
      proposed_(space.layers.size()) {
  ModelOptions reward;
  reward.pairs = ChoosePairs(space);
  // In a chain, the effects of one pair of neighbours say little about other pairs. If the costs of
  // options are known, the slopes already model what layers have in common.
  reward.name_pairs = !IsChain(reward.pairs) && !space.CostIsPerLayer();
  reward.clipped_share = kClippedShare;
  reward.noise = kRewardNoise;
  if (space.CostIsPerLayer()) reward.cost_shares = CostShares(space);
  reward_ = std::make_unique<Model>(space, std::move(reward));
  ModelOptions feasibility;
  feasibility.pairs = ChoosePairs(space);
  feasibility.noise = kFeasibilityNoise;
  if (space.CostIsPerLayer()) feasibility.cost_shares = CostShares(space);
  feasibility_ = std::make_unique<Model>(space, std::move(feasibility));
  if (space.CostIsPerLayer()) {
    lowest_cost_ = space.CheapestCost();
    highest_cost_ = space.DearestCost();
    cost_learned_ = true;
    return;
  }
  ModelOptions cost;
  cost.pairs = ChoosePairs(space);
  cost.name_pairs = !IsChain(cost.pairs);
  cost.noise = kCostNoise;
  cost_ = std::make_unique<Model>(space, std::move(cost));
}

void GuidedKnowledge::Note(const Architecture& architecture, const Observation& observation) {
  switch (observation.kind) {
    case Observation::Kind::kResult:
      architectures_.push_back(architecture);
      rewards_.push_back(Bounded(observation.outcome.reward));
      NoteCost(Bounded(observation.outcome.cost));
      costs_.push_back(Bounded(observation.outcome.cost));
      return;
    case Observation::Kind::kInfeasible:
      infeasible_.push_back(architecture);
      return;
    case Observation::Kind::kTooDear:
      skipped_.push_back(architecture);
      NoteCost(Bounded(observation.outcome.cost));
      skipped_costs_.push_back(Bounded(observation.outcome.cost));
      return;
    case Observation::Kind::kUnknown:
      return;
  }
}

bool GuidedKnowledge::Propose(const Architecture& architecture) {
  if (!proposed_.Insert(architecture)) return false;
  tried_ += wanted_.Contains(architecture) ? 1 : 0;
  left_.Update(proposed_);
  return true;
}

const LimitSampler& GuidedKnowledge::sampler() {
  if (!sampler_) sampler_.emplace(wanted_);
  return *sampler_;
}

bool GuidedKnowledge::Learn() {
  const std::size_t results = architectures_.size();
  // Appending makes a model larger; a fit bounds it again.
  const std::size_t others = skipped_.size() + infeasible_.size();
  const bool fit = results <= kAlwaysFitted || last_fit_ < 2 ||
                   static_cast<double>(results) >= kMoreToFit * static_cast<double>(last_fit_) ||
                   results >= last_fit_ + kMaxOfAKind || others >= others_at_last_fit_ + kMaxOfAKind;
  if (fit) {
    last_fit_ = results;
    others_at_last_fit_ = others;
  }
  const bool variances = fit && static_cast<double>(results) >= kMoreResults * static_cast<double>(fitted_variances_);
  if (variances) fitted_variances_ = results;
  if (cost_ != nullptr) LearnCost(fit, variances);
  if (results >= 2) LearnReward(fit, variances);
  if (results > 0 && !infeasible_.empty()) LearnFeasibility(fit, variances);
  return fit;
}

void GuidedKnowledge::LearnReward(bool fit, bool variances) {
  const auto [lowest, highest] = std::minmax_element(rewards_.begin(), rewards_.end());
  lowest_reward_ = *lowest;
  highest_reward_ = *highest;
  if (fit) {
    reward_->Fit(architectures_, rewards_, variances);
  } else {
    for (std::size_t i = reward_seen_; i < rewards_.size(); ++i) reward_->Append(architectures_[i], rewards_[i]);
  }
  reward_seen_ = rewards_.size();
  learned_ = true;
}

void GuidedKnowledge::NoteCost(double cost) {
  if (cost_ == nullptr) return;
  const bool is_first = costs_.empty() && skipped_costs_.empty();
  lowest_cost_ = is_first ? cost : std::min(lowest_cost_, cost);
  highest_cost_ = is_first ? cost : std::max(highest_cost_, cost);
}

void GuidedKnowledge::LearnCost(bool fit, bool variances) {
  cost_learned_ = costs_.size() + skipped_costs_.size() >= 2;
  // The effect of a choice on a latency is usually proportional to the rest.
  const bool log_cost = lowest_cost_ > 0;
  fit = fit || log_cost != log_cost_;
  log_cost_ = log_cost;
  if (!cost_learned_) return;
  if (fit) {
    // Those near the best matter most, and the model uses the last of the values. So the skipped
    // ones come first, and not too many of them.
    std::vector<Architecture> architectures = Latest(skipped_);
    std::vector<double> costs(skipped_costs_.end() - static_cast<std::ptrdiff_t>(architectures.size()),
                              skipped_costs_.end());
    architectures.insert(architectures.end(), architectures_.begin(), architectures_.end());
    costs.insert(costs.end(), costs_.begin(), costs_.end());
    for (double& cost : costs) cost = Modelled(cost);
    cost_->Fit(architectures, costs, variances);
  } else {
    for (std::size_t i = cost_seen_.results; i < costs_.size(); ++i) {
      cost_->Append(architectures_[i], Modelled(costs_[i]));
    }
    for (std::size_t i = cost_seen_.others; i < skipped_.size(); ++i) {
      cost_->Append(skipped_[i], Modelled(skipped_costs_[i]));
    }
  }
  cost_seen_ = {architectures_.size(), skipped_.size()};
}

void GuidedKnowledge::LearnFeasibility(bool fit, bool variances) {
  if (fit || !feasibility_learned_) {
    std::vector<Architecture> architectures = Latest(infeasible_);
    std::vector<double> values(architectures.size(), 0.0);
    for (Architecture& one : Latest(architectures_)) {
      architectures.push_back(std::move(one));
      values.push_back(1);
    }
    feasibility_->Fit(architectures, values, variances || !feasibility_learned_);
    feasibility_learned_ = true;
  } else {
    for (std::size_t i = feasibility_seen_.results; i < architectures_.size(); ++i) {
      feasibility_->Append(architectures_[i], 1);
    }
    for (std::size_t i = feasibility_seen_.others; i < infeasible_.size(); ++i) {
      feasibility_->Append(infeasible_[i], 0);
    }
  }
  feasibility_seen_ = {architectures_.size(), infeasible_.size()};
}

double GuidedKnowledge::Unmodelled(double cost) const { return log_cost_ ? std::exp(cost) : cost; }

double GuidedKnowledge::Modelled(double cost) const {
  return log_cost_ ? std::log(std::max(cost, lowest_cost_ * 1e-3)) : cost;
}

}  // namespace layernas::core
