// What guided LayerNAS knows of a search, and the models that learn from it. It grows with the results: the strategy
// moves it to the computation of proposals and back, and never copies it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "controller/core/architecture_index.h"
#include "controller/core/space.h"
#include "controller/core/strategies/guided/model.h"
#include "controller/core/strategies/limit_sampler.h"
#include "controller/core/strategies/within_limit.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// Not thread-safe. Its owner may change it: the strategy, or the work that is under way.
class GuidedKnowledge {
 public:
  // `space` must outlive this.
  GuidedKnowledge(const Space& space, std::span<const double> targets);

  // Takes what came of an architecture that was proposed; in the order of arrival.
  void Note(const Architecture& architecture, const Observation& observation);
  // Fits the models to all that was noted, or appends what was noted since the last call. Returns true if it fitted
  // them. Takes up to a second.
  bool Learn();

  // Everything ever proposed, including what is ready to be proposed.
  const ArchitectureIndex& proposed() const { return proposed_; }
  // Adds to proposed(). Returns false if it was there before.
  bool Propose(const Architecture& architecture);
  // Returns true if something within the highest target was not proposed yet.
  bool IsAnythingLeft() const { return left_.get().has_value(); }
  // Returns how many of proposed() are within the highest target.
  std::size_t tried() const { return tried_; }
  // Draws from what is within the highest target. Built by the first call, which takes milliseconds.
  const LimitSampler& sampler();

  const Space& space() const { return space_; }
  const std::vector<double>& targets() const { return targets_; }
  // Results.
  const std::vector<Architecture>& architectures() const { return architectures_; }
  const std::vector<double>& rewards() const { return rewards_; }
  const std::vector<double>& costs() const { return costs_; }

  // --- As of the last Learn().

  const Model& reward() const { return *reward_; }
  // Of the cost, or of its logarithm if all costs are positive; null if the cost is known per layer.
  const Model* cost() const { return cost_.get(); }
  // 1 for what can be evaluated, 0 for what is infeasible; null until there is at least one of each.
  const Model* feasibility() const { return feasibility_learned_ ? feasibility_.get() : nullptr; }
  bool learned() const { return learned_; }
  bool cost_learned() const { return cost_learned_; }
  // The cost, or a limit of it, as it is modelled.
  double Modelled(double cost) const;
  double Unmodelled(double cost) const;
  double lowest_cost() const { return lowest_cost_; }
  double highest_cost() const { return highest_cost_; }
  double lowest_reward() const { return lowest_reward_; }
  double highest_reward() const { return highest_reward_; }

 private:
  // How many values a model has taken.
  struct Seen {
    std::size_t results = 0;
    std::size_t others = 0;
  };

  void LearnReward(bool fit, bool variances);
  void LearnCost(bool fit, bool variances);
  void LearnFeasibility(bool fit, bool variances);

  const Space& space_;
  const std::vector<double> targets_;
  const WithinLimit wanted_;
  FirstUnseen left_;
  std::optional<LimitSampler> sampler_;
  ArchitectureIndex proposed_;
  std::size_t tried_ = 0;

  std::vector<Architecture> architectures_;
  std::vector<double> rewards_;
  std::vector<double> costs_;
  // Measured and not trained, since their cost exceeds every target.
  std::vector<Architecture> skipped_;
  std::vector<double> skipped_costs_;
  std::vector<Architecture> infeasible_;

  std::unique_ptr<Model> reward_;
  std::unique_ptr<Model> cost_;
  std::unique_ptr<Model> feasibility_;
  std::size_t reward_seen_ = 0;
  Seen cost_seen_;
  Seen feasibility_seen_;
  // Results when the models were last fitted, and when their variances were.
  std::size_t last_fit_ = 0;
  std::size_t fitted_variances_ = 0;
  bool learned_ = false;
  bool cost_learned_ = false;
  bool feasibility_learned_ = false;
  bool log_cost_ = false;
  double lowest_cost_ = 0;
  double highest_cost_ = 0;
  double lowest_reward_ = 0;
  double highest_reward_ = 0;
};

}  // namespace layernas::core
