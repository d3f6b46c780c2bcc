// Guided LayerNAS: the memorial table, run on what has been learned so far. A thin design first; then each proposal is
// the architecture that promises most, by Bayesian models of the reward and, where it is measured, of the cost.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "controller/core/strategies/guided/proposer.h"
#include "controller/core/space.h"
#include "controller/core/strategy.h"

namespace layernas::core {

class GuidedStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy. `trainings`: the budget, 0 = unlimited.
  GuidedStrategy(const Space& space, std::span<const double> targets, std::int64_t trainings, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  std::optional<Proposal> Propose() override;
  std::size_t Ready() const override;
  void Observe(const Architecture& architecture, std::optional<Outcome> outcome) override;
  void ObserveCost(const Architecture& architecture, double cost) override;
  bool Done() const override { return exhausted_ && ready_.empty(); }
  std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted) override;
  void FinishWork(BackgroundWork& work) override;

 private:
  void MakeDesign(std::int64_t trainings);

  const Space& space_;
  const std::uint64_t seed_;
  const std::vector<double> targets_;

  // None while a work has them.
  std::optional<GuidedModels> models_;
  // Results that the models had seen when their variances were last fitted.
  std::size_t fitted_variances_ = 0;
  // Results when the models were last fitted, and what they know.
  std::size_t last_fit_ = 0;
  std::size_t known_ = 0;
  std::size_t known_skipped_ = 0;

  // Results, in the order of arrival.
  std::vector<Architecture> architectures_;
  std::vector<double> rewards_;
  std::vector<double> costs_;
  // Measured and never trained.
  std::vector<Architecture> skipped_;
  std::vector<double> skipped_costs_;
  std::unordered_set<Architecture, ArchitectureHash> proposed_;
  // Handed out, outcome not known; in the order of proposal.
  std::vector<Architecture> under_way_;
  std::deque<Architecture> ready_;
  // Proposals computed so far, those of the design not counted; after a restart, at least that.
  std::uint64_t computed_ = 0;
  bool exhausted_ = false;
};

}  // namespace layernas::core
