// The computation behind guided LayerNAS's proposals. It lets the models learn, runs the memorial table on them for a
// pool of architectures that may be worth evaluating, and picks from the pool what promises most.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "controller/core/space.h"
#include "controller/core/strategies/guided/acquisition.h"
#include "controller/core/strategies/guided/knowledge.h"
#include "controller/core/strategies/guided/surface.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// What proposals are computed from. Everything but `knowledge` is as small as what is under way.
struct GuidedTask {
  std::unique_ptr<GuidedKnowledge> knowledge;
  // What has come since the last computation began, in the order of arrival.
  std::vector<std::pair<Architecture, Observation>> news;
  // Handed out, or about to be, without an outcome.
  std::vector<Architecture> under_way;
  std::uint64_t seed = 0;
  // Number of the first proposal to compute, and how many.
  std::uint64_t first = 0;
  std::size_t wanted = 0;
};

class GuidedProposer final : public BackgroundWork {
 public:
  explicit GuidedProposer(GuidedTask task);

  void Run() override;

  // --- After Run().

  // The proposals. They are fewer than wanted only if nothing is left, or the work was cancelled.
  std::vector<Architecture>& found() { return found_; }
  std::unique_ptr<GuidedKnowledge> TakeKnowledge() { return std::move(task_.knowledge); }
  // Returns true if the models were fitted and not only appended to.
  bool refitted() const { return refitted_; }

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
    // The probability of being feasible; empty if there is no model of it.
    std::vector<double> feasible;
  };

  // The limit that the proposal of this number is for; none: the whole frontier.
  std::optional<double> LimitOf(std::uint64_t number) const;
  Pool& PoolFor(std::optional<double> limit, RandomStream& random);
  std::vector<Step> FrontierSteps(double highest) const;
  // Up to `most` unproposed architectures for each of the limits, ascending, with a predicted cost of not much more
  // than it, or a known one within the highest.
  void Fill(Pool& pool, const std::vector<double>& limits, std::size_t most, RandomStream& random) const;
  // How much evaluating the pool's architecture promises.
  double Promise(const Pool& pool, std::size_t index) const;
  std::optional<Architecture> MostPromising(RandomStream& random, std::uint64_t number);
  // Before any result, where the cost is known: the best by a draw from what is held possible.
  std::optional<Architecture> FromPrior(RandomStream& random, std::uint64_t number) const;
  // Where not even the cost is learned yet, or nothing that is learned helps: whatever is left within a target.
  std::optional<Architecture> Uniform(RandomStream& random) const;
  void FindProbabilities(Pool& pool) const;
  // Returns the reward less what an infeasible architecture would lose.
  Surface WithFeasibility(Surface reward) const;
  static void Believe(Pool& pool, std::size_t index);

  GuidedTask task_;
  GuidedKnowledge& known_;
  bool refitted_ = false;
  // Effects of pairs are too many for the space to be looked through.
  bool big_ = false;
  Surface reward_mean_;
  Surface cost_mean_;
  std::vector<std::unique_ptr<Pool>> pools_;
  std::vector<Architecture> found_;
};

}  // namespace layernas::core
