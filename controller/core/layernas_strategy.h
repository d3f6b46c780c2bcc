// LayerNAS (arXiv 2304.11517): layers are decided one after another; the candidates of a stage are grouped by cost into
// buckets, and each bucket keeps its best, from which the next stage goes on.
#pragma once

#include <deque>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "controller/core/space.h"
#include "controller/core/strategy.h"

namespace layernas::core {

struct LayerNasOptions {
  BucketOptions buckets;
  // Architectures kept per bucket, at least 1.
  int replicas = 1;
  // The order in which layers are decided: a permutation of 0 … L-1.
  std::vector<std::size_t> order;
  // Most passes over the layers, at least 1; a pass that changes nothing is the last. No pass worsens a bucket.
  int passes = 1;
  // Most trainings per stage, spread evenly over the buckets; 0 = no limit.
  int stage_limit = 0;
};

// Trainings: at most 1 + H * replicas * sum of |S_i| per pass, with H buckets.
class LayerNasStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy. `targets` (may be empty): only costs up to the largest are wanted.
  LayerNasStrategy(const Space& space, std::span<const double> targets, LayerNasOptions options, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  std::optional<Proposal> Propose() override;
  std::size_t Ready() const override { return ready_.size(); }
  void Observe(const Architecture& architecture, std::optional<Outcome> outcome) override;
  bool Done() const override { return done_; }
  Position position() const override { return position_; }
  std::span<const StageTable> FinalTables() const override { return tables_; }
  std::optional<StageTable> GrowingTable() const override;

 private:
  // What is known of an architecture that was proposed.
  struct Known {
    Position position;
    bool finished = false;
    std::optional<Outcome> outcome;
  };

  // Runs stages until one needs an outcome, or all is done.
  void Advance();
  void BeginStage();
  void EndStage();
  // Makes buckets_ known; at the end of stage 0, for a measured cost may need that of the default architecture.
  void MakeBuckets();
  // M[stage-1] with the stage's layer set to every option; duplicates and the unreachable dropped. At the end of a
  // further pass also what it started from.
  std::vector<Architecture> Children() const;
  // The table that the pass started from: M[L] of the pass before, or M[0].
  const StageTable& PassStart() const;
  bool CanReachWantedCost(const Architecture& architecture) const;
  // At most stage_limit of `untrained`, spread evenly over the buckets.
  std::vector<Architecture> Limit(std::vector<Architecture> untrained) const;
  BucketTable Table() const;

  const Space& space_;
  const LayerNasOptions options_;
  const std::uint64_t seed_;
  double largest_wanted_ = std::numeric_limits<double>::infinity();
  double smallest_wanted_ = -std::numeric_limits<double>::infinity();
  // Cheapest and dearest that the layers after a stage can cost: [stage], stage 0 … L. Empty if cost isn't per layer.
  std::vector<double> cheapest_rest_;
  std::vector<double> dearest_rest_;

  std::unordered_map<Architecture, Known, ArchitectureHash> known_;
  BucketEdges buckets_;
  Position position_{1, 0};
  // M[stage - 1].
  std::vector<Architecture> parents_;
  // The stage's candidates C; those without an outcome yet; those not yet proposed.
  std::vector<Architecture> candidates_;
  std::unordered_set<Architecture, ArchitectureHash> awaited_;
  std::deque<Architecture> ready_;
  std::vector<StageTable> tables_;
  bool done_ = false;
};

}  // namespace layernas::core
