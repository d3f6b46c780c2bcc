#include "controller/core/strategies/guided/proposer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "controller/core/strategies/guided/solver.h"

namespace layernas::core {
namespace {

// Draws from the posterior whose best solutions join the pool in a big space, where those of its mean alone are too
// much alike, and how far they go from the mean. Chosen on generated spaces.
constexpr int kDraws = 5;
// Besides, the mean and the neighbours of what was found.
constexpr int kSources = kDraws + 2;
constexpr double kSpread = 0.3;
// The pool's size: what can be predicted in milliseconds, which takes time with the number of results too.
constexpr std::size_t kPoolWork = 40'000;
constexpr std::size_t kSmallestPool = 32;
constexpr std::size_t kLargestPool = 400;
// How far the predicted cost of what is in the pool may be above the limit, in standard deviations of the costs seen:
// it may turn out to be within.
constexpr double kCostMargin = 1;
// Uniform draws before the space is taken to be used up.
constexpr int kFutileDraws = 2000;
// Of proposals for several targets, each second one is for the whole frontier.
constexpr std::uint64_t kFrontierEvery = 2;
// Limits of the cost up to which solutions join the pool for the whole frontier.
constexpr int kFrontierLimits = 10;

}  // namespace

GuidedProposer::GuidedProposer(GuidedSnapshot snapshot, GuidedModels models)
    : now_(std::move(snapshot)), models_(std::move(models)), big_(IsChain(ChoosePairs(*now_.space))) {}

void GuidedProposer::Run() {
  Fit();
  for (std::size_t i = 0; i < now_.wanted; ++i) {
    const std::uint64_t number = now_.first + i;
    RandomStream random({now_.seed, number});
    std::optional<Architecture> architecture;
    if (learned_) {
      architecture = MostPromising(random, number);
    } else if (models_.cost == nullptr) {
      architecture = FromPrior(random, number);
    }
    if (!architecture) architecture = Uniform(random);
    if (!architecture) return;
    now_.proposed.insert(*architecture);
    for (const auto& pool : pools_) {
      const auto at = std::find(pool->architectures.begin(), pool->architectures.end(), *architecture);
      if (at != pool->architectures.end()) Believe(*pool, static_cast<std::size_t>(at - pool->architectures.begin()));
    }
    found_.push_back(*std::move(architecture));
  }
}

void GuidedProposer::Fit() {
  learned_ = now_.architectures.size() >= 2;
  if (models_.cost == nullptr) {
    cost_mean_ = MakeSurface(*now_.space, {});
    cost_mean_.bias = now_.space->base_cost;
    for (std::size_t l = 0; l < now_.space->layers.size(); ++l) cost_mean_.options[l] = now_.space->layers[l].costs;
    lowest_cost_ = now_.space->CheapestCost();
    highest_cost_ = now_.space->DearestCost();
    cost_learned_ = true;
  } else {
    FitCost();
  }
  if (learned_) FitReward();
}

void GuidedProposer::FitReward() {
  lowest_reward_ = *std::min_element(now_.rewards.begin(), now_.rewards.end());
  Model& model = *models_.reward;
  if (now_.fitted == 0) model.Fit(now_.architectures, now_.rewards, now_.fit_variances);
  for (std::size_t i = now_.fitted; now_.fitted > 0 && i < now_.rewards.size(); ++i) {
    model.Append(now_.architectures[i], now_.rewards[i]);
  }
  reward_mean_ = model.Mean();
}

void GuidedProposer::FitCost() {
  std::vector<Architecture> architectures = now_.architectures;
  architectures.insert(architectures.end(), now_.skipped.begin(), now_.skipped.end());
  std::vector<double> costs = now_.costs;
  costs.insert(costs.end(), now_.skipped_costs.begin(), now_.skipped_costs.end());
  if (costs.empty()) return;
  lowest_cost_ = *std::min_element(costs.begin(), costs.end());
  highest_cost_ = *std::max_element(costs.begin(), costs.end());
  // What a choice does to a latency is in proportion to the rest more often than not.
  log_cost_ = lowest_cost_ > 0;
  cost_learned_ = costs.size() >= 2;
  if (!cost_learned_) return;
  for (double& cost : costs) cost = Modelled(cost);
  Model& model = *models_.cost;
  if (now_.fitted == 0) {
    model.Fit(architectures, costs, now_.fit_variances);
  } else {
    const std::size_t results = now_.architectures.size();
    for (std::size_t i = now_.fitted; i < results; ++i) model.Append(architectures[i], costs[i]);
    for (std::size_t i = results + now_.fitted_skipped; i < costs.size(); ++i) model.Append(architectures[i], costs[i]);
  }
  cost_mean_ = model.Mean();
}

double GuidedProposer::Unmodelled(double cost) const { return log_cost_ ? std::exp(cost) : cost; }

double GuidedProposer::Modelled(double cost) const {
  return log_cost_ ? std::log(std::max(cost, lowest_cost_ * 1e-3)) : cost;
}

std::optional<double> GuidedProposer::LimitOf(std::uint64_t number) const {
  if (now_.targets.size() == 1) return now_.targets.front();
  if (now_.targets.empty() || number % kFrontierEvery == 0) return std::nullopt;
  return now_.targets[(number / kFrontierEvery) % now_.targets.size()];
}

std::vector<GuidedProposer::Step> GuidedProposer::FrontierSteps(double highest) const {
  std::vector<std::pair<double, double>> results;
  for (std::size_t i = 0; i < now_.rewards.size(); ++i) {
    if (now_.costs[i] < highest) results.emplace_back(now_.costs[i], now_.rewards[i]);
  }
  std::sort(results.begin(), results.end());
  std::vector<Step> steps = {{lowest_cost_, highest, std::nullopt}};
  for (const auto& [cost, reward] : results) {
    if (steps.back().best && reward <= *steps.back().best) continue;
    steps.back().to = cost;
    if (steps.back().to <= steps.back().from) steps.pop_back();
    steps.push_back({cost, highest, reward});
  }
  return steps;
}

void GuidedProposer::Fill(Pool& pool, const std::vector<double>& limits, std::size_t most, RandomStream& random) const {
  const double margin = models_.cost == nullptr ? 0 : kCostMargin * models_.cost->scale();
  std::vector<double> highest;
  for (const double limit : limits) highest.push_back(Modelled(limit) + margin);
  std::unordered_set<Architecture, ArchitectureHash> seen;
  const auto add = [&](Architecture architecture) {
    if (now_.proposed.contains(architecture) || !seen.insert(architecture).second) return false;
    pool.architectures.push_back(std::move(architecture));
    return true;
  };
  // One run of the table has what is best up to each cost.
  const auto solve = [&](const Surface& reward, std::size_t count) {
    // Those of the lower limits are among the last.
    const std::size_t enough =
        limits.size() > 1 ? std::numeric_limits<std::size_t>::max() : count + now_.proposed.size() + seen.size();
    std::vector<Solution> solutions = Solve(*now_.space, reward, cost_mean_, highest.back(), enough, {});
    for (const double limit : highest) {
      std::size_t added = 0;
      for (std::size_t i = 0; i < solutions.size() && added < count; ++i) {
        if (solutions[i].cost <= limit) added += add(solutions[i].architecture) ? 1 : 0;
      }
    }
  };
  if (!big_) {
    solve(reward_mean_, most);
    return;
  }
  solve(reward_mean_, most / kSources);
  for (int i = 0; i < kDraws; ++i) solve(models_.reward->Draw(random, kSpread), most / kSources);
  // A dynamic programme keeps only what nothing matches: what is nearly as good is next to it.
  const std::size_t full = most * limits.size();
  for (std::size_t i = 0; i < pool.architectures.size() && pool.architectures.size() < full; ++i) {
    const Architecture centre = pool.architectures[i];
    for (std::size_t l = 0; l < centre.size() && pool.architectures.size() < full; ++l) {
      for (OptionIndex option = 0; option < now_.space->layers[l].option_count; ++option) {
        if (pool.architectures.size() == full) break;
        Architecture neighbour = centre;
        neighbour[l] = option;
        if (cost_mean_.At(neighbour) <= highest.back()) add(std::move(neighbour));
      }
    }
  }
}

GuidedProposer::Pool& GuidedProposer::PoolFor(std::optional<double> limit, RandomStream& random) {
  for (const auto& pool : pools_) {
    if (pool->limit == limit) return *pool;
  }
  Pool& pool = *pools_.emplace_back(std::make_unique<Pool>());
  pool.limit = limit;
  const std::size_t size = std::clamp(kPoolWork / now_.architectures.size(), kSmallestPool, kLargestPool);
  if (limit) {
    Step& step = pool.steps.emplace_back(Step{*limit, *limit + 1, std::nullopt});
    for (std::size_t i = 0; i < now_.rewards.size(); ++i) {
      if (now_.costs[i] <= *limit && (!step.best || now_.rewards[i] > *step.best)) step.best = now_.rewards[i];
    }
    Fill(pool, {*limit}, size, random);
  } else {
    const double highest =
        now_.targets.empty() ? highest_cost_ : *std::max_element(now_.targets.begin(), now_.targets.end());
    pool.steps = FrontierSteps(highest);
    std::vector<double> limits;
    for (int i = 1; i <= kFrontierLimits; ++i) {
      const double share = (i - random.Uniform()) / kFrontierLimits;
      limits.push_back(lowest_cost_ + share * (highest - lowest_cost_));
    }
    Fill(pool, limits, size / kFrontierLimits, random);
  }
  pool.free = pool.architectures.size();
  pool.architectures.insert(pool.architectures.end(), now_.under_way.begin(), now_.under_way.end());
  pool.architectures.insert(pool.architectures.end(), found_.begin(), found_.end());
  for (const Architecture& one : pool.architectures) {
    pool.reward_means.push_back(reward_mean_.At(one));
    pool.cost_means.push_back(cost_mean_.At(one));
  }
  pool.reward_deviations.emplace(*models_.reward, pool.architectures);
  if (models_.cost != nullptr) pool.cost_deviations.emplace(*models_.cost, pool.architectures);
  for (std::size_t i = pool.free; i < pool.architectures.size(); ++i) Believe(pool, i);
  return pool;
}

double GuidedProposer::Promise(const Pool& pool, std::size_t index) const {
  // The hypervolume that is expected to be gained (Emmerich et al. 2011), with a cost that is taken to be as predicted
  // but for whether it meets a limit.
  const double mean = pool.reward_means[index];
  const double deviation = pool.reward_deviations->At(index);
  const double cost = pool.cost_means[index];
  double promise = 0;
  for (const Step& step : pool.steps) {
    const double from = pool.limit ? step.from : std::max(step.from, Unmodelled(cost));
    if (from >= step.to) continue;
    // Where nothing is known that is cheap enough, the lowest reward known stands in.
    promise += (step.to - from) * ExpectedImprovement(mean, deviation, step.best.value_or(lowest_reward_));
  }
  if (pool.limit && pool.cost_deviations) {
    // Of a measurement: the noise is in it.
    const double cost_deviation =
        std::hypot(pool.cost_deviations->At(index), models_.cost->scale() * std::sqrt(models_.cost->NoiseVariance()));
    promise *= ProbabilityWithin(cost, cost_deviation, Modelled(*pool.limit));
  }
  return promise;
}

std::optional<Architecture> GuidedProposer::MostPromising(RandomStream& random, std::uint64_t number) {
  // A pool that is used up is made anew.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Pool& pool = PoolFor(LimitOf(number), random);
    std::optional<std::size_t> chosen;
    double most = 0;
    for (std::size_t i = 0; i < pool.free; ++i) {
      if (now_.proposed.contains(pool.architectures[i])) continue;
      const double promise = Promise(pool, i);
      if (!chosen || promise > most) {
        chosen = i;
        most = promise;
      }
    }
    if (chosen) return pool.architectures[*chosen];
    std::erase_if(pools_, [&pool](const auto& one) { return one.get() == &pool; });
  }
  return std::nullopt;
}

std::optional<Architecture> GuidedProposer::FromPrior(RandomStream& random, std::uint64_t number) const {
  const Surface reward = models_.reward->Draw(random, 1);
  const double limit = LimitOf(number).value_or(highest_cost_);
  for (const Solution& solution : Solve(*now_.space, reward, cost_mean_, limit, now_.proposed.size() + 1, {})) {
    if (!now_.proposed.contains(solution.architecture)) return solution.architecture;
  }
  return std::nullopt;
}

std::optional<Architecture> GuidedProposer::Uniform(RandomStream& random) const {
  const double largest =
      now_.targets.empty() ? highest_cost_ : *std::max_element(now_.targets.begin(), now_.targets.end());
  // Without a reward yet, all that can be had is one that is likely to be within the targets.
  const bool by_prediction = models_.cost != nullptr && cost_learned_ && !learned_;
  std::optional<Architecture> cheapest;
  for (int i = 0; i < kFutileDraws; ++i) {
    Architecture drawn;
    for (const Layer& layer : now_.space->layers) {
      drawn.push_back(static_cast<OptionIndex>(random.Below(layer.option_count)));
    }
    if (now_.proposed.contains(drawn)) continue;
    const bool over = (models_.cost == nullptr || by_prediction) && cost_mean_.At(drawn) > Modelled(largest);
    if (!over) return drawn;
    if (by_prediction && (!cheapest || cost_mean_.At(drawn) < cost_mean_.At(*cheapest))) cheapest = std::move(drawn);
  }
  return cheapest;
}

void GuidedProposer::Believe(Pool& pool, std::size_t index) {
  pool.reward_deviations->Believe(index);
  if (pool.cost_deviations) pool.cost_deviations->Believe(index);
}

}  // namespace layernas::core
