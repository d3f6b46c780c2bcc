// Computes the proposals of guided LayerNAS. It lets the models learn, and runs the memorial table
// on them. This makes a pool of architectures that may be worth evaluating, and the most promising
// ones are picked from it.
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

// The input of a computation. Everything except `knowledge` is as small as the number of candidates
// in progress.
struct GuidedTask {
  std::unique_ptr<GuidedKnowledge> knowledge;
  // Outcomes since the last computation began, in the order of arrival.
  std::vector<std::pair<Architecture, Observation>> news;
  // Proposed, or about to be proposed, without an outcome.
  std::vector<Architecture> under_way;
  std::uint64_t seed = 0;
  // Number of the first proposal to compute, and the number of proposals.
  std::uint64_t first = 0;
  std::size_t wanted = 0;
};

class GuidedProposer final : public BackgroundWork {
 public:
  explicit GuidedProposer(GuidedTask task);

  void Run() override;

  // --- After Run().

  // The proposals. There are fewer than wanted only if nothing is left or the work was cancelled.
  std::vector<Architecture>& found() { return found_; }
  std::unique_ptr<GuidedKnowledge> TakeKnowledge() { return std::move(task_.knowledge); }
  // Returns whether the models were fitted, and not only appended to.
  bool refitted() const { return refitted_; }

 private:
  // An interval of costs, and the best result so far within these costs, if any.
  struct Step {
    double from = 0;
    double to = 0;
    std::optional<double> best;
  };

  // The architectures to choose from for a limit of the cost, or for the whole frontier.
  struct Pool {
    std::optional<double> limit;
    // The costs, ascending, at which an improvement counts: only at the limit, or at all costs up
    // to the highest that matters.
    std::vector<Step> steps;
    // First the architectures that can be proposed, then those in progress.
    std::vector<Architecture> architectures;
    std::size_t free = 0;
    std::vector<double> reward_means;
    std::vector<double> cost_means;
    std::optional<Deviations> reward_deviations;
    // Only if the cost is modelled.
    std::optional<Deviations> cost_deviations;
    // The probability of being feasible; empty if it is not modelled.
    std::vector<double> feasible;
  };

  // Returns the limit for the proposal of this number; none: the whole frontier.
  std::optional<double> LimitOf(std::uint64_t number) const;
  Pool& PoolFor(std::optional<double> limit, RandomStream& random);
  std::vector<Step> FrontierSteps(double highest) const;
  // Adds up to `most` unproposed architectures for each of the ascending limits. Their predicted
  // cost is not much above the limit, or their known cost is within the highest limit.
  void Fill(Pool& pool, const std::vector<double>& limits, std::size_t most, RandomStream& random) const;
  // Returns how promising an evaluation of the architecture is.
  double Promise(const Pool& pool, std::size_t index) const;
  std::optional<Architecture> MostPromising(RandomStream& random, std::uint64_t number);
  // Before any result, if the cost is known: returns the best architecture by a draw from the
  // prior.
  std::optional<Architecture> FromPrior(RandomStream& random, std::uint64_t number) const;
  // If not even the cost is learned yet, or if the models do not help: returns any architecture
  // that is left within a target.
  std::optional<Architecture> Uniform(RandomStream& random) const;
  void FindProbabilities(Pool& pool) const;
  // Returns the reward minus the loss of infeasible architectures.
  Surface WithFeasibility(Surface reward) const;
  static void Believe(Pool& pool, std::size_t index);

  GuidedTask task_;
  GuidedKnowledge& known_;
  bool refitted_ = false;
  // There are too many effects of pairs to search the whole space.
  bool big_ = false;
  Surface reward_mean_;
  Surface cost_mean_;
  std::vector<std::unique_ptr<Pool>> pools_;
  std::vector<Architecture> found_;
};

}  // namespace layernas::core
