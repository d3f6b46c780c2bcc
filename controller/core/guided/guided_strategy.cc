#include "controller/core/guided/guided_strategy.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace layernas::core {
namespace {

// How far draws go from the posterior's mean. In a small space full draws explore too much once a third of the budget
// has shown each option; in a big one even less pays, and nothing at the end. Chosen on nas_bench_macro and generated
// spaces.
constexpr double kSpreadSmall = 0.5;
constexpr double kSpreadBig = 0.3;
// The lowest share of the rewards is no model of the good ones.
constexpr double kClippedShare = 0.2;
constexpr double kRewardNoise = 0.1;
constexpr double kCostNoise = 0.01;
// Rounds of the design, each with every option of every layer, as long as its share of the budget lasts.
constexpr std::size_t kDesignRounds = 2;
// Best solutions of a draw that are looked through for one that was not proposed.
constexpr std::size_t kSolutions = 256;
// Uniform draws before the space is taken to be used up.
constexpr int kFutileDraws = 2000;

}  // namespace

class GuidedStrategy::Work final : public BackgroundWork {
 public:
  void Run() override {
    const bool learned = architectures.size() >= 2;
    if (learned && fit) {
      reward_model->Fit(architectures, rewards, fit_variances);
      if (cost_model) cost_model->Fit(architectures, costs, fit_variances);
    }
    for (std::size_t i = 0; i < wanted; ++i) {
      RandomStream random({seed, first_draw + i});
      std::optional<Architecture> architecture;
      if (learned || !cost_model) architecture = Thompson(random, first_draw + i);
      if (!architecture) architecture = Uniform(random);
      if (!architecture) return;
      proposed.insert(*architecture);
      found.push_back(*std::move(architecture));
    }
  }

  // The best unproposed architecture by a draw from the posterior, within the turn's target or, failing that, another.
  std::optional<Architecture> Thompson(RandomStream& random, std::uint64_t turn) const {
    const double spent =
        trainings > 0 ? std::min(1.0, static_cast<double>(architectures.size()) / static_cast<double>(trainings)) : 0;
    const double spread = big ? kSpreadBig * (1 - spent) : kSpreadSmall;
    const Surface reward = reward_model->Draw(random, spread);
    const Surface cost = cost_model ? cost_model->Draw(random, 0) : known_cost;
    // Without targets the whole frontier is wanted: a cost anywhere in its range.
    std::vector<double> limits = targets;
    if (limits.empty()) limits = {lowest_cost + random.Uniform() * (highest_cost - lowest_cost), highest_cost};
    for (std::size_t t = 0; t < limits.size(); ++t) {
      const double target = limits[((targets.empty() ? 0 : turn) + t) % limits.size()];
      for (const Solution& solution : Solve(*space, reward, cost, target, kSolutions, {})) {
        if (!proposed.contains(solution.architecture)) return solution.architecture;
      }
    }
    return std::nullopt;
  }

  // Where not even the cost is learned yet, or nothing that is learned helps.
  std::optional<Architecture> Uniform(RandomStream& random) const {
    const double largest = targets.empty() ? highest_cost : *std::max_element(targets.begin(), targets.end());
    for (int i = 0; i < kFutileDraws; ++i) {
      Architecture drawn;
      for (const Layer& layer : space->layers)
        drawn.push_back(static_cast<OptionIndex>(random.Below(layer.option_count)));
      if (proposed.contains(drawn) || (!cost_model && known_cost.At(drawn) > largest)) continue;
      return drawn;
    }
    return std::nullopt;
  }

  const Space* space;
  std::unique_ptr<Model> reward_model;
  std::unique_ptr<Model> cost_model;
  std::vector<Architecture> architectures;
  std::vector<double> rewards;
  std::vector<double> costs;
  Surface known_cost;
  std::unordered_set<Architecture, ArchitectureHash> proposed;
  std::vector<double> targets;
  double lowest_cost = 0;
  double highest_cost = 0;
  bool fit = false;
  bool fit_variances = false;
  bool big = false;
  std::int64_t trainings = 0;
  std::uint64_t seed = 0;
  std::uint64_t first_draw = 0;
  std::size_t wanted = 0;
  std::vector<Architecture> found;
};

GuidedStrategy::GuidedStrategy(const Space& space, std::span<const double> targets, GuidedOptions options,
                               std::int64_t trainings, std::uint64_t seed)
    : space_(space), options_(options), trainings_(trainings), seed_(seed), targets_(targets.begin(), targets.end()) {
  ModelOptions reward;
  reward.pairs = ChoosePairs(space);
  big_ = reward.pairs.size() < space.layers.size() * (space.layers.size() - 1) / 2;
  reward.clipped_share = kClippedShare;
  reward.noise = kRewardNoise;
  if (space.CostIsPerLayer()) {
    for (const Layer& layer : space.layers) {
      const double dearest = *std::max_element(layer.costs.begin(), layer.costs.end());
      const double cheapest = std::min(0.0, *std::min_element(layer.costs.begin(), layer.costs.end()));
      auto& shares = reward.cost_shares.emplace_back();
      for (const double cost : layer.costs) {
        shares.push_back(dearest > cheapest ? std::sqrt((cost - cheapest) / (dearest - cheapest)) : 0);
      }
    }
  }
  reward_model_ = std::make_unique<Model>(space, std::move(reward));
  if (!space.CostIsPerLayer()) {
    ModelOptions cost;
    cost.pairs = ChoosePairs(space);
    cost.noise = kCostNoise;
    cost_model_ = std::make_unique<Model>(space, std::move(cost));
  }
  MakeDesign();
}

void GuidedStrategy::MakeDesign() {
  // Rounds in which every option of every layer occurs (Latin hypercube), while the share of the budget lasts.
  std::size_t most_options = 0;
  for (const Layer& layer : space_.layers) most_options = std::max<std::size_t>(most_options, layer.option_count);
  std::size_t count = most_options;
  if (trainings_ > 0) {
    const auto affordable = static_cast<std::size_t>(options_.design_share * static_cast<double>(trainings_));
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
      for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random.Below(i + 1)]);
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
    ++draws_;
    if (one.finished) Observe(one.proposal.architecture, one.outcome);
  }
  std::erase_if(ready_, [&seen](const Architecture& architecture) { return seen.contains(architecture); });
}

std::optional<Proposal> GuidedStrategy::Propose() {
  if (ready_.empty()) return std::nullopt;
  Proposal proposal{std::move(ready_.front()), {}};
  ready_.pop_front();
  return proposal;
}

void GuidedStrategy::Observe(const Architecture& architecture, std::optional<Outcome> outcome) {
  if (!outcome) return;
  architectures_.push_back(architecture);
  rewards_.push_back(outcome->reward);
  costs_.push_back(outcome->cost);
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
  if (wanted <= ready_.size() || reward_model_ == nullptr || exhausted_) return nullptr;
  auto work = std::make_unique<Work>();
  work->space = &space_;
  work->reward_model = std::move(reward_model_);
  work->cost_model = std::move(cost_model_);
  work->architectures = architectures_;
  work->rewards = rewards_;
  work->costs = costs_;
  if (space_.CostIsPerLayer()) {
    work->known_cost = MakeSurface(space_, {});
    work->known_cost.bias = space_.base_cost;
    for (std::size_t l = 0; l < space_.layers.size(); ++l) work->known_cost.options[l] = space_.layers[l].costs;
    work->lowest_cost = space_.CheapestCost();
    work->highest_cost = space_.DearestCost();
  } else if (!costs_.empty()) {
    work->lowest_cost = *std::min_element(costs_.begin(), costs_.end());
    work->highest_cost = *std::max_element(costs_.begin(), costs_.end());
  }
  work->proposed = proposed_;
  work->targets = targets_;
  work->fit = architectures_.size() > fitted_;
  work->fit_variances = static_cast<double>(architectures_.size()) >= 1.1 * static_cast<double>(fitted_variances_);
  fitted_ = architectures_.size();
  if (work->fit_variances) fitted_variances_ = fitted_;
  work->big = big_;
  work->trainings = trainings_;
  work->seed = seed_;
  work->wanted = wanted - ready_.size();
  work->first_draw = draws_;
  draws_ += work->wanted;
  return work;
}

void GuidedStrategy::FinishWork(BackgroundWork& done) {
  auto& work = static_cast<Work&>(done);
  reward_model_ = std::move(work.reward_model);
  cost_model_ = std::move(work.cost_model);
  exhausted_ = work.found.size() < work.wanted;
  for (Architecture& architecture : work.found) {
    proposed_.insert(architecture);
    ready_.push_back(std::move(architecture));
  }
}

}  // namespace layernas::core
