#include "controller/core/strategies/guided/guided_strategy.h"

#include <algorithm>
#include <cmath>

namespace layernas::core {
namespace {

// Share of the trainings that the design may use at most.
constexpr double kDesignShare = 1.0 / 3;
// Rounds of the design, each with every option of every layer, as long as its share of the budget lasts.
constexpr std::size_t kDesignRounds = 2;
// The lower half of the rewards is no model of the good ones.
constexpr double kClippedShare = 0.5;
constexpr double kRewardNoise = 0.03;
constexpr double kCostNoise = 0.01;
// Variances are fitted again when there are this many times the results of the last time.
constexpr double kMoreResults = 1.1;
// Up to so many results the models are fitted anew for each; later when there are this many times the results of the
// last fit, and what comes in between is appended.
constexpr std::size_t kAlwaysFitted = 500;
constexpr double kMoreToFit = 1.01;

// [layer][option]: the option's cost as a share of the layer's dearest, to the power 1/2.
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

}  // namespace

GuidedStrategy::GuidedStrategy(const Space& space, std::span<const double> targets, std::int64_t trainings,
                               std::uint64_t seed)
    : space_(space), seed_(seed), targets_(targets.begin(), targets.end()) {
  ModelOptions reward;
  reward.pairs = ChoosePairs(space);
  // What neighbours in a chain do to each other tells little of other neighbours; and where the cost of an option is
  // known, the slopes on it tell what layers have in common.
  reward.name_pairs = !IsChain(reward.pairs) && !space.CostIsPerLayer();
  reward.clipped_share = kClippedShare;
  reward.noise = kRewardNoise;
  if (space.CostIsPerLayer()) reward.cost_shares = CostShares(space);
  GuidedModels& models = models_.emplace();
  models.reward = std::make_unique<Model>(space, std::move(reward));
  if (!space.CostIsPerLayer()) {
    ModelOptions cost;
    cost.pairs = ChoosePairs(space);
    cost.name_pairs = !IsChain(cost.pairs);
    cost.noise = kCostNoise;
    models.cost = std::make_unique<Model>(space, std::move(cost));
  }
  MakeDesign(trainings);
}

void GuidedStrategy::MakeDesign(std::int64_t trainings) {
  // Rounds in which every option of every layer occurs (Latin hypercube), while the share of the budget lasts.
  std::size_t most_options = 0;
  for (const Layer& layer : space_.layers) most_options = std::max<std::size_t>(most_options, layer.option_count);
  std::size_t count = most_options;
  if (trainings > 0) {
    const auto affordable = static_cast<std::size_t>(kDesignShare * static_cast<double>(trainings));
    count = std::min(std::max<std::size_t>(affordable, 2), kDesignRounds * most_options);
  }
  RandomStream random({seed_, 0xde51});
  for (std::size_t begin = 0; begin < count; begin += most_options) {
    std::vector<Architecture> round(std::min(most_options, count - begin), Architecture(space_.layers.size()));
    for (std::size_t l = 0; l < space_.layers.size(); ++l) {
      std::vector<OptionIndex> order(most_options);
      for (std::size_t i = 0; i < most_options; ++i) {
        order[i] = static_cast<OptionIndex>(i % space_.layers[l].option_count);
      }
      Shuffle(order, random);
      for (std::size_t i = 0; i < round.size(); ++i) round[i][l] = order[i];
    }
    for (Architecture& architecture : round) {
      if (proposed_.insert(architecture).second) ready_.push_back(std::move(architecture));
    }
  }
}

void GuidedStrategy::Restore(std::span<const PastProposal> past) {
  std::unordered_set<Architecture, ArchitectureHash> seen;
  for (const PastProposal& one : past) {
    seen.insert(one.proposal.architecture);
    proposed_.insert(one.proposal.architecture);
    ++computed_;
    under_way_.push_back(one.proposal.architecture);
    if (one.finished) Observe(one.proposal.architecture, one.outcome);
    if (one.cost) ObserveCost(one.proposal.architecture, *one.cost);
  }
  std::erase_if(ready_, [&seen](const Architecture& architecture) { return seen.contains(architecture); });
}

std::optional<Proposal> GuidedStrategy::Propose() {
  if (ready_.empty()) return std::nullopt;
  Proposal proposal{std::move(ready_.front()), {}};
  under_way_.push_back(proposal.architecture);
  ready_.pop_front();
  return proposal;
}

void GuidedStrategy::Observe(const Architecture& architecture, std::optional<Outcome> outcome) {
  std::erase(under_way_, architecture);
  if (!outcome) return;
  architectures_.push_back(architecture);
  rewards_.push_back(outcome->reward);
  costs_.push_back(outcome->cost);
}

void GuidedStrategy::ObserveCost(const Architecture& architecture, double cost) {
  std::erase(under_way_, architecture);
  skipped_.push_back(architecture);
  skipped_costs_.push_back(cost);
}

std::size_t GuidedStrategy::Ready() const {
  if (exhausted_) return ready_.size();
  // Computed on demand.
  constexpr double kMany = 1e9;
  return static_cast<std::size_t>(
      std::max(std::min(space_.Size(), kMany) - static_cast<double>(proposed_.size()), 0.0) +
      static_cast<double>(ready_.size()));
}

std::unique_ptr<BackgroundWork> GuidedStrategy::StartWork(std::size_t wanted) {
  if (wanted <= ready_.size() || !models_ || exhausted_) return nullptr;
  GuidedSnapshot now;
  now.space = &space_;
  now.targets = targets_;
  now.seed = seed_;
  now.architectures = architectures_;
  now.rewards = rewards_;
  now.costs = costs_;
  now.skipped = skipped_;
  now.skipped_costs = skipped_costs_;
  now.under_way = under_way_;
  now.under_way.insert(now.under_way.end(), ready_.begin(), ready_.end());
  now.proposed = proposed_;
  const bool fit = architectures_.size() <= kAlwaysFitted || last_fit_ < 2 ||
                   static_cast<double>(architectures_.size()) >= kMoreToFit * static_cast<double>(last_fit_);
  if (fit) last_fit_ = architectures_.size();
  now.fitted = fit ? 0 : known_;
  now.fitted_skipped = fit ? 0 : known_skipped_;
  known_ = architectures_.size();
  known_skipped_ = skipped_.size();
  now.fit_variances =
      fit && static_cast<double>(architectures_.size()) >= kMoreResults * static_cast<double>(fitted_variances_);
  if (now.fit_variances) fitted_variances_ = architectures_.size();
  now.first = computed_;
  now.wanted = wanted - ready_.size();
  computed_ += now.wanted;
  GuidedModels models = *std::move(models_);
  models_.reset();
  return std::make_unique<GuidedProposer>(std::move(now), std::move(models));
}

void GuidedStrategy::FinishWork(BackgroundWork& work) {
  auto& proposer = static_cast<GuidedProposer&>(work);
  models_ = std::move(proposer.models());
  exhausted_ = proposer.found().size() < proposer.wanted();
  for (Architecture& architecture : proposer.found()) {
    proposed_.insert(architecture);
    ready_.push_back(std::move(architecture));
  }
}

}  // namespace layernas::core
