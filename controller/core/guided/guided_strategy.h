// Guided LayerNAS: the memorial table, run on what has been learned so far. A thin design first; then every proposal is
// the best architecture within a target by a draw from the posterior of a Bayesian model of the reward (Thompson
// sampling).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "controller/core/guided/model.h"
#include "controller/core/guided/solver.h"
#include "controller/core/space.h"
#include "controller/core/strategy.h"

namespace layernas::core {

struct GuidedOptions {
  // Share of the trainings that the design may use.
  double design_share = 1.0 / 3;
};

class GuidedStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy. `trainings`: the budget, 0 = unlimited.
  GuidedStrategy(const Space& space, std::span<const double> targets, GuidedOptions options, std::int64_t trainings,
                 std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  std::optional<Proposal> Propose() override;
  std::size_t Ready() const override;
  void Observe(const Architecture& architecture, std::optional<Outcome> outcome) override;
  bool Done() const override { return exhausted_ && ready_.empty(); }
  std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted) override;
  void FinishWork(BackgroundWork& work) override;

 private:
  class Work;

  void MakeDesign();

  const Space& space_;
  const GuidedOptions options_;
  const std::int64_t trainings_;
  const std::uint64_t seed_;
  const std::vector<double> targets_;
  // Only adjacent layers have pairs of their own.
  bool big_ = false;

  // Null while a work has them; the cost's also where it is known per layer.
  std::unique_ptr<Model> reward_model_;
  std::unique_ptr<Model> cost_model_;
  // Results that the models have seen, and had seen when their variances were last fitted.
  std::size_t fitted_ = 0;
  std::size_t fitted_variances_ = 0;

  // Results, in the order of arrival.
  std::vector<Architecture> architectures_;
  std::vector<double> rewards_;
  std::vector<double> costs_;
  std::unordered_set<Architecture, ArchitectureHash> proposed_;
  std::deque<Architecture> ready_;
  std::uint64_t draws_ = 0;
  bool exhausted_ = false;
};

}  // namespace layernas::core
