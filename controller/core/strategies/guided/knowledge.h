// What guided LayerNAS knows about a search, and the models that learn from it. It grows with the
// results. The strategy moves it to the computation of proposals and back, and never copies it.
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

// Not thread-safe. Only its owner may modify it: the strategy or, while one is in progress, the
// computation.
class GuidedKnowledge {
 public:
  // `space` must outlive this object.
  GuidedKnowledge(const Space& space, std::span<const double> targets);

  // Adds the outcome of a proposed architecture. Call it in the order of arrival.
  void Note(const Architecture& architecture, const Observation& observation);
  // Fits the models to all outcomes, or only appends the outcomes since the last call. Returns true
  // if it fitted the models. Takes up to a second.
  bool Learn();

  // All proposed architectures, including those that are ready to be proposed.
  const ArchitectureIndex& proposed() const { return proposed_; }
  // Adds to proposed(). Returns false if it was already there.
  bool Propose(const Architecture& architecture);
  // Returns whether an architecture within the highest target has not been proposed yet.
  bool IsAnythingLeft() const { return left_.get().has_value(); }
  // Returns how many of proposed() are within the highest target.
  std::size_t tried() const { return tried_; }
  // Draws from the architectures within the highest target. The first call builds it, which takes
  // milliseconds.
  const LimitSampler& sampler();

  const Space& space() const { return space_; }
  const std::vector<double>& targets() const { return targets_; }
  // Results, by index.
  const std::vector<Architecture>& architectures() const { return architectures_; }
  const std::vector<double>& rewards() const { return rewards_; }
  const std::vector<double>& costs() const { return costs_; }

  // --- As of the last Learn().

  const Model& reward() const { return *reward_; }
  // The model of the cost, or of its logarithm if all costs are positive; null if the cost is known
  // per layer.
  const Model* cost() const { return cost_.get(); }
  // The model of feasibility: 1 for feasible, 0 for infeasible. Null until there is at least one of
  // each.
  const Model* feasibility() const { return feasibility_learned_ ? feasibility_.get() : nullptr; }
  bool learned() const { return learned_; }
  bool cost_learned() const { return cost_learned_; }
  // Converts a cost, or a limit of it, to the modelled scale and back.
  double Modelled(double cost) const;
  double Unmodelled(double cost) const;
  // The lowest and highest cost of all results and skipped architectures, or of the space if the
  // cost is known per layer.
  double lowest_cost() const { return lowest_cost_; }
  double highest_cost() const { return highest_cost_; }
  double lowest_reward() const { return lowest_reward_; }
  double highest_reward() const { return highest_reward_; }

 private:
  // Number of values that a model has taken.
  struct Seen {
    std::size_t results = 0;
    std::size_t others = 0;
  };

  // Call it before the cost is added.
  void NoteCost(double cost);
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
  // Measured but not trained, because their cost exceeds every target.
  std::vector<Architecture> skipped_;
  std::vector<double> skipped_costs_;
  std::vector<Architecture> infeasible_;

  std::unique_ptr<Model> reward_;
  std::unique_ptr<Model> cost_;
  std::unique_ptr<Model> feasibility_;
  std::size_t reward_seen_ = 0;
  Seen cost_seen_;
  Seen feasibility_seen_;
  // Number of results at the last fit of the models, and at the last fit of their variances.
  std::size_t last_fit_ = 0;
  std::size_t fitted_variances_ = 0;
  // Number of skipped and infeasible architectures at the last fit.
  std::size_t others_at_last_fit_ = 0;
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
