#include "controller/core/strategies/guided/proposer.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "common/base/cost_limit.h"
#include "controller/core/strategies/guided/solver.h"

namespace layernas::core {
namespace {

// Number of draws from the posterior, and their spread around the mean. In a big space their best
// solutions join the pool, because the solutions of the mean alone are too similar. Chosen on
// generated spaces.
constexpr int kDraws = 5;
// The additional sources are the mean and the neighbours of the solutions.
constexpr int kSources = kDraws + 2;
constexpr double kSpread = 0.3;
// Size of the pool that can be predicted in milliseconds; the time also depends on the number of
// results.
constexpr std::size_t kPoolWork = 40'000;
constexpr std::size_t kSmallestPool = 32;
constexpr std::size_t kLargestPool = 400;
// Maximum evaluations in progress, the latest, that count as if they had returned their
// predictions. This takes cubic time.
constexpr std::size_t kMaxBelieved = 512;
// Maximum excess of a predicted cost in the pool over the limit, in standard deviations of the seen
// costs. The true cost may be within the limit.
constexpr double kCostMargin = 1;
// Uniform draws from which the cheapest is taken if none is predicted to be within a target.
constexpr int kDrawsByPrediction = 2000;
// A prediction above this counts as feasible (1 is feasible, 0 infeasible).
constexpr double kFeasible = 0.5;
// Loss of an infeasible architecture when the pool is made, in ranges of the seen rewards.
constexpr double kInfeasibleLoss = 2;
// With several targets, every second proposal is for the whole frontier.
constexpr std::uint64_t kFrontierEvery = 2;
// Number of cost limits whose solutions join the pool for the whole frontier.
constexpr int kFrontierLimits = 10;

}  // namespace

GuidedProposer::GuidedProposer(GuidedTask task)
    : task_(std::move(task)), known_(*task_.knowledge), big_(IsChain(ChoosePairs(known_.space()))) {}

void GuidedProposer::Run() {
  for (const auto& [architecture, observation] : task_.news) known_.Note(architecture, observation);
  refitted_ = known_.Learn();
  const Space& space = known_.space();
  if (known_.cost() == nullptr) {
    cost_mean_ = MakeSurface(space, {});
    cost_mean_.bias = space.base_cost;
    for (std::size_t l = 0; l < space.layers.size(); ++l) cost_mean_.options[l] = space.layers[l].costs;
  } else if (known_.cost_learned()) {
    cost_mean_ = known_.cost()->Mean();
  }
  if (known_.learned()) reward_mean_ = known_.reward().Mean();
  for (std::size_t i = 0; i < task_.wanted && known_.IsAnythingLeft() && !cancelled(); ++i) {
    const std::uint64_t number = task_.first + i;
    RandomStream random({task_.seed, number});
    std::optional<Architecture> architecture;
    if (known_.learned()) {
      architecture = MostPromising(random, number);
    } else if (known_.cost() == nullptr) {
      architecture = FromPrior(random, number);
    }
    if (!architecture) architecture = Uniform(random);
    known_.Propose(*architecture);
    for (const auto& pool : pools_) {
      const auto at = std::find(pool->architectures.begin(), pool->architectures.end(), *architecture);
      if (at != pool->architectures.end()) Believe(*pool, static_cast<std::size_t>(at - pool->architectures.begin()));
    }
    found_.push_back(*std::move(architecture));
  }
}

std::optional<double> GuidedProposer::LimitOf(std::uint64_t number) const {
  if (known_.targets().size() == 1) return known_.targets().front();
  if (known_.targets().empty() || number % kFrontierEvery == 0) return std::nullopt;
  return known_.targets()[(number / kFrontierEvery) % known_.targets().size()];
}

std::vector<GuidedProposer::Step> GuidedProposer::FrontierSteps(double highest) const {
  std::vector<std::pair<double, double>> results;
  for (std::size_t i = 0; i < known_.rewards().size(); ++i) {
    if (known_.costs()[i] < highest) results.emplace_back(known_.costs()[i], known_.rewards()[i]);
  }
  std::sort(results.begin(), results.end());
  std::vector<Step> steps = {{known_.lowest_cost(), highest, std::nullopt}};
  for (const auto& [cost, reward] : results) {
    if (steps.back().best && reward <= *steps.back().best) continue;
    steps.back().to = cost;
    if (steps.back().to <= steps.back().from) steps.pop_back();
    steps.push_back({cost, highest, reward});
  }
  return steps;
}

void GuidedProposer::Fill(Pool& pool, const std::vector<double>& limits, std::size_t most, RandomStream& random) const {
  const double margin = known_.cost() == nullptr ? 0 : kCostMargin * known_.cost()->scale();
  std::vector<double> highest;
  for (const double limit : limits) highest.push_back(WidenedLimit(known_.Modelled(limit)) + margin);
  std::unordered_set<Architecture, ArchitectureHash> seen;
  const auto add = [&](Architecture architecture) {
    // The solver sums costs in another order, so the exact cost is checked again.
    if (known_.cost() == nullptr && !MeetsLimit(known_.space().Cost(architecture), limits.back())) return false;
    if (known_.proposed().Contains(architecture) || !seen.insert(architecture).second) return false;
    pool.architectures.push_back(std::move(architecture));
    return true;
  };
  // One run of the table finds the best architectures up to each cost.
  const auto solve = [&](const Surface& reward, std::size_t count) {
    // Some may be known already, or may join the pool for a lower limit.
    const std::size_t enough = count * limits.size() + known_.proposed().size() + seen.size();
    std::vector<Solution> solutions = Solve(known_.space(), reward, cost_mean_, highest, enough, {});
    for (const double limit : highest) {
      std::size_t added = 0;
      for (std::size_t i = 0; i < solutions.size() && added < count; ++i) {
        if (solutions[i].cost <= limit) added += add(solutions[i].architecture) ? 1 : 0;
      }
    }
  };
  const bool steered = known_.feasibility() != nullptr;
  if (!big_) {
    // The best solutions may all be infeasible.
    if (steered) solve(WithFeasibility(reward_mean_), (most + 1) / 2);
    solve(reward_mean_, steered ? (most + 1) / 2 : most);
    return;
  }
  // With many results the pool is small, but it must not be empty.
  const std::size_t of_each = std::max<std::size_t>(1, most / kSources);
  solve(reward_mean_, of_each);
  for (int i = 0; i < kDraws && !cancelled(); ++i) {
    Surface draw = known_.reward().Draw(random, kSpread);
    solve(steered ? WithFeasibility(std::move(draw)) : draw, of_each);
  }
  // A dynamic programme keeps only architectures that no other matches. Their neighbours are nearly
  // as good.
  const std::size_t full = most * limits.size();
  for (std::size_t i = 0; i < pool.architectures.size() && pool.architectures.size() < full; ++i) {
    const Architecture centre = pool.architectures[i];
    for (std::size_t l = 0; l < centre.size() && pool.architectures.size() < full; ++l) {
      for (OptionIndex option = 0; option < known_.space().layers[l].option_count; ++option) {
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
  const std::size_t size = std::clamp(kPoolWork / known_.architectures().size(), kSmallestPool, kLargestPool);
  if (limit) {
    Step& step = pool.steps.emplace_back(Step{*limit, *limit + 1, std::nullopt});
    for (std::size_t i = 0; i < known_.rewards().size(); ++i) {
      if (MeetsLimit(known_.costs()[i], *limit) && (!step.best || known_.rewards()[i] > *step.best))
        step.best = known_.rewards()[i];
    }
    Fill(pool, {*limit}, size, random);
  } else {
    const double highest = known_.targets().empty()
                               ? known_.highest_cost()
                               : *std::max_element(known_.targets().begin(), known_.targets().end());
    pool.steps = FrontierSteps(highest);
    std::vector<double> limits;
    for (int i = 1; i <= kFrontierLimits; ++i) {
      const double share = (i - random.Uniform()) / kFrontierLimits;
      limits.push_back(known_.lowest_cost() + share * (highest - known_.lowest_cost()));
    }
    Fill(pool, limits, size / kFrontierLimits, random);
  }
  pool.free = pool.architectures.size();
  const auto believed = static_cast<std::ptrdiff_t>(std::min(kMaxBelieved, task_.under_way.size()));
  pool.architectures.insert(pool.architectures.end(), task_.under_way.end() - believed, task_.under_way.end());
  pool.architectures.insert(pool.architectures.end(), found_.begin(), found_.end());
  for (const Architecture& one : pool.architectures) {
    pool.reward_means.push_back(reward_mean_.At(one));
    pool.cost_means.push_back(cost_mean_.At(one));
  }
  pool.reward_deviations.emplace(known_.reward(), pool.architectures);
  if (known_.cost() != nullptr) pool.cost_deviations.emplace(*known_.cost(), pool.architectures);
  for (std::size_t i = pool.free; i < pool.architectures.size(); ++i) Believe(pool, i);
  FindProbabilities(pool);
  return pool;
}

void GuidedProposer::FindProbabilities(Pool& pool) const {
  const Model* model = known_.feasibility();
  if (model == nullptr) return;
  const Surface mean = model->Mean();
  const Deviations deviations(*model, pool.architectures);
  const double noise = model->scale() * std::sqrt(model->NoiseVariance());
  for (std::size_t i = 0; i < pool.architectures.size(); ++i) {
    const double deviation = std::hypot(deviations.At(i), noise);
    // The probability of a value above one half.
    pool.feasible.push_back(1 - ProbabilityWithin(mean.At(pool.architectures[i]), deviation, kFeasible));
  }
}

Surface GuidedProposer::WithFeasibility(Surface reward) const {
  const Surface feasibility = known_.feasibility()->Mean();
  const double weight = kInfeasibleLoss * (known_.highest_reward() - known_.lowest_reward());
  reward.bias += weight * feasibility.bias;
  for (std::size_t l = 0; l < reward.options.size(); ++l) {
    for (std::size_t o = 0; o < reward.options[l].size(); ++o) {
      reward.options[l][o] += weight * feasibility.options[l][o];
    }
  }
  // Both models have the pairs from ChoosePairs().
  for (std::size_t p = 0; p < reward.pair_effects.size(); ++p) {
    for (std::size_t e = 0; e < reward.pair_effects[p].size(); ++e) {
      reward.pair_effects[p][e] += weight * feasibility.pair_effects[p][e];
    }
  }
  return reward;
}

double GuidedProposer::Promise(const Pool& pool, std::size_t index) const {
  // The expected gain of hypervolume (Emmerich et al. 2011). The cost is assumed to be as
  // predicted, except for whether it meets a limit.
  const double mean = pool.reward_means[index];
  const double deviation = pool.reward_deviations->At(index);
  const double cost = pool.cost_means[index];
  double promise = 0;
  for (const Step& step : pool.steps) {
    const double from = pool.limit ? step.from : std::max(step.from, known_.Unmodelled(cost));
    if (from >= step.to) continue;
    // If no known result is cheap enough, the lowest known reward is used.
    promise += (step.to - from) * ExpectedImprovement(mean, deviation, step.best.value_or(known_.lowest_reward()));
  }
  if (pool.limit && pool.cost_deviations) {
    // The deviation of a measurement, which includes the noise.
    const double cost_deviation =
        std::hypot(pool.cost_deviations->At(index), known_.cost()->scale() * std::sqrt(known_.cost()->NoiseVariance()));
    promise *= ProbabilityWithin(cost, cost_deviation, known_.Modelled(*pool.limit));
  }
  if (!pool.feasible.empty()) promise *= pool.feasible[index];
  return promise;
}

std::optional<Architecture> GuidedProposer::MostPromising(RandomStream& random, std::uint64_t number) {
  // A used-up pool is made again.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Pool& pool = PoolFor(LimitOf(number), random);
    std::optional<std::size_t> chosen;
    double most = 0;
    for (std::size_t i = 0; i < pool.free; ++i) {
      if (known_.proposed().Contains(pool.architectures[i])) continue;
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
  const Surface reward = known_.reward().Draw(random, 1);
  const double highest = std::min(known_.highest_cost(), HighestTarget(known_.targets()));
  const double limit = WidenedLimit(LimitOf(number).value_or(highest));
  for (const Solution& solution :
       Solve(known_.space(), reward, cost_mean_, {{limit}}, known_.proposed().size() + 1, {})) {
    if (!known_.proposed().Contains(solution.architecture)) return solution.architecture;
  }
  return std::nullopt;
}

std::optional<Architecture> GuidedProposer::Uniform(RandomStream& random) const {
  const double highest = HighestTarget(known_.targets());
  // Without any reward, the best goal is an architecture that is likely to be within the targets.
  const bool by_prediction = known_.cost() != nullptr && known_.cost_learned() && !known_.learned();
  if (!by_prediction || std::isinf(highest)) return known_.sampler().DrawUnseen(random, known_.proposed());
  std::optional<Architecture> cheapest;
  for (int i = 0; i < kDrawsByPrediction; ++i) {
    std::optional<Architecture> drawn = known_.sampler().DrawUnseen(random, known_.proposed());
    if (!drawn || MeetsLimit(cost_mean_.At(*drawn), known_.Modelled(highest))) return drawn;
    if (!cheapest || cost_mean_.At(*drawn) < cost_mean_.At(*cheapest)) cheapest = std::move(drawn);
  }
  return cheapest;
}

void GuidedProposer::Believe(Pool& pool, std::size_t index) {
  pool.reward_deviations->Believe(index);
  if (pool.cost_deviations) pool.cost_deviations->Believe(index);
}

}  // namespace layernas::core
