// Guided LayerNAS: the memorial table, run on what has been learned so far. A thin design first; then each proposal is
// the architecture that promises most, by Bayesian models of the reward and, where it is measured, of the cost.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "controller/core/space.h"
#include "controller/core/strategies/guided/knowledge.h"
#include "controller/core/strategy.h"

namespace layernas::core {

class GuidedStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy. `trainings`: the budget, 0 = unlimited.
  GuidedStrategy(const Space& space, std::span<const double> targets, std::int64_t trainings, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  Supply supply() const override;
  std::optional<Proposal> Propose() override;
  // O(architectures under way).
  void Observe(const Architecture& architecture, const Observation& observation) override;
  // O(architectures under way and outcomes since the last work).
  std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted) override;
  void FinishWork(BackgroundWork& work) override;

 private:
  void MakeDesign(std::int64_t trainings);
  // From the knowledge, while it is here.
  void NoteWhatIsLeft();

  const Space& space_;
  const std::vector<double> targets_;
  const std::uint64_t seed_;

  // Null while a work has it.
  std::unique_ptr<GuidedKnowledge> knowledge_;
  // What it has not been told yet, in the order of arrival.
  std::vector<std::pair<Architecture, Observation>> news_;
  // Handed out, outcome not known; in the order of proposal.
  std::vector<Architecture> under_way_;
  std::deque<Architecture> ready_;
  // Proposals computed so far, those of the design not counted; after a restart, at least that.
  std::uint64_t computed_ = 0;

  // What the knowledge said when it was last here.
  bool anything_left_ = true;
  // Everything ever proposed, and of it what is within the highest target.
  std::size_t proposed_ = 0;
  std::size_t tried_ = 0;
};

}  // namespace layernas::core
