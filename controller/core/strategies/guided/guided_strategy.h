// Guided LayerNAS: the memorial table, run on what has been learned so far. It first proposes a
// small design. Then each proposal is the most promising architecture by Bayesian models of the
// reward and, if it is measured, of the cost.
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
  // `space` must outlive the strategy. `trainings`: the budget; 0 = unlimited.
  GuidedStrategy(const Space& space, std::span<const double> targets, std::int64_t trainings, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  Supply supply() const override;
  std::optional<Proposal> Propose() override;
  // O(architectures in progress).
  void Observe(const Architecture& architecture, const Observation& observation) override;
  // O(architectures in progress and outcomes since the last work).
  std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted) override;
  void FinishWork(BackgroundWork& work) override;

 private:
  void MakeDesign(std::int64_t trainings);
  // Updates anything_left_ and the counts from the knowledge, if it is here.
  void NoteWhatIsLeft();

  const Space& space_;
  const std::vector<double> targets_;
  const std::uint64_t seed_;

  // Null while a computation has it.
  std::unique_ptr<GuidedKnowledge> knowledge_;
  // Outcomes that it has not learned yet, in the order of arrival.
  std::vector<std::pair<Architecture, Observation>> news_;
  // Proposed architectures without an outcome, in the order of proposal.
  std::vector<Architecture> under_way_;
  std::deque<Architecture> ready_;
  // Proposals computed so far, without those of the design. After a restart it may be lower than
  // that number.
  std::uint64_t computed_ = 0;

  // As of the last time the knowledge was here.
  bool anything_left_ = true;
  // All proposals, and those within the highest target.
  std::size_t proposed_ = 0;
  std::size_t tried_ = 0;
};

}  // namespace layernas::core
