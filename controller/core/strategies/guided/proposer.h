// The computation behind guided LayerNAS's proposals, on a snapshot of what is known: fits the models, lets the
// memorial table run on them for a pool of architectures that may be worth evaluating, and picks from it what promises
// most.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "common/base/random.h"
#include "controller/core/strategies/guided/acquisition.h"
#include "controller/core/strategies/guided/model.h"
#include "controller/core/strategies/guided/surface.h"
#include "controller/core/space.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// The models in use from one snapshot to the next.
struct GuidedModels {
  std::unique_ptr<Model> reward;
  // Of the cost, or of its logarithm where all costs are positive; null where the cost is known per layer.
  std::unique_ptr<Model> cost;
};

// What is known when proposals are computed.
struct GuidedSnapshot {
  const Space* space = nullptr;
  std::vector<double> targets;
  std::uint64_t seed = 0;
  // Results, in the order of arrival.
  std::vector<Architecture> architectures;
  std::vector<double> rewards;
  std::vector<double> costs;
  // Measured and, for their cost exceeds every target, never trained.
  std::vector<Architecture> skipped;
  std::vector<double> skipped_costs;
  // Handed out, or about to be, without a result.
  std::vector<Architecture> under_way;
  // Everything ever proposed.
  std::unordered_set<Architecture, ArchitectureHash> proposed;
  // How many of the results and of those skipped the models have seen. 0 results: they are fitted anew to all.
  std::size_t fitted = 0;
  std::size_t fitted_skipped = 0;
  bool fit_variances = false;
  // Number of the first proposal to compute, and how many.
  std::uint64_t first = 0;
  std::size_t wanted = 0;
};

class GuidedProposer final : public BackgroundWork {
 public:
  GuidedProposer(GuidedSnapshot snapshot, GuidedModels models);

  void Run() override;

  std::size_t wanted() const { return now_.wanted; }
  // Whether the models are fitted anew.
  bool refits() const { return now_.fitted == 0; }
  // After Run(). Fewer than wanted only if nothing that is left could be found.
  std::vector<Architecture>& found() { return found_; }
  GuidedModels& models() { return models_; }

 private:
  // A stretch of costs within which the best result so far is `best`, if there is any.
  struct Step {
    double from = 0;
    double to = 0;
    std::optional<double> best;
  };

  // What may be proposed for a limit of the cost, or for the whole frontier.
  struct Pool {
    std::optional<double> limit;
    // Where an improvement counts: at the limit alone, or at all costs up to the highest that matters; by cost.
    std::vector<Step> steps;
    // Free to be proposed, and then what is under way.
    std::vector<Architecture> architectures;
    std::size_t free = 0;
    std::vector<double> reward_means;
    std::vector<double> cost_means;
    std::optional<Deviations> reward_deviations;
    // Only where the cost is modelled.
    std::optional<Deviations> cost_deviations;
  };

  void Fit();
  void FitReward();
  void FitCost();
  // The cost, or a limit of it, as it is modelled.
  double Modelled(double cost) const;
  double Unmodelled(double cost) const;
  // The limit that the proposal of this number is for; none: the whole frontier.
  std::optional<double> LimitOf(std::uint64_t number) const;
  Pool& PoolFor(std::optional<double> limit, RandomStream& random);
  std::vector<Step> FrontierSteps(double highest) const;
  // Up to `most` unproposed architectures for each of the limits, ascending, with a predicted cost of not much more
  // than it.
  void Fill(Pool& pool, const std::vector<double>& limits, std::size_t most, RandomStream& random) const;
  // How much evaluating the pool's architecture promises.
  double Promise(const Pool& pool, std::size_t index) const;
  std::optional<Architecture> MostPromising(RandomStream& random, std::uint64_t number);
  // Before any result, where the cost is known: the best by a draw from what is held possible.
  std::optional<Architecture> FromPrior(RandomStream& random, std::uint64_t number) const;
  // Where not even the cost is learned yet, or nothing that is learned helps.
  std::optional<Architecture> Uniform(RandomStream& random) const;
  static void Believe(Pool& pool, std::size_t index);

  GuidedSnapshot now_;
  GuidedModels models_;
  // Effects of pairs are too many for the space to be looked through.
  bool big_ = false;
  bool learned_ = false;
  bool cost_learned_ = false;
  bool log_cost_ = false;
  double lowest_cost_ = 0;
  double highest_cost_ = 0;
  double lowest_reward_ = 0;
  Surface reward_mean_;
  Surface cost_mean_;
  std::vector<std::unique_ptr<Pool>> pools_;
  std::vector<Architecture> found_;
};

}  // namespace layernas::core
