// LayerNAS (arXiv 2304.11517): layers are decided one after another; the candidates of a stage are grouped by cost into
// buckets, and each bucket keeps its best, from which the next stage goes on.
//
// Beyond the paper, where the cost is known per layer a stage need not wait for its slowest training (bucket-level
// pipelining): a bucket is final, and its best are expanded, as soon as no unfinished candidate can land in it. The
// tables are the same.
#pragma once

#include <deque>
#include <limits>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "controller/core/space.h"
#include "controller/core/strategy.h"
#include "controller/core/strategy_options.h"

namespace layernas::core {

// Trainings: at most 1 + H * replicas * sum of |S_i| per pass, with H buckets.
class LayerNasStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy. `targets` (may be empty): only costs up to the largest are wanted.
  LayerNasStrategy(const Space& space, std::span<const double> targets, LayerNasOptions options, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  Supply supply() const override;
  std::optional<Proposal> Propose() override;
  void Observe(const Architecture& architecture, const Observation& observation) override;
  // Of the first stage that is not final.
  Position position() const override;
  std::span<const StageTable> FinalTables() const override { return tables_; }
  std::optional<StageTable> GrowingTable() const override;

 private:
  // What is known of an architecture that was proposed or is to be.
  struct Known {
    // Of its proposal; none before it.
    std::optional<Position> proposed = {};
    bool finished = false;
    std::optional<Outcome> outcome = {};
    // Where it is known per layer.
    double cost = 0;
    // Stages, as indices in stages_, that wait for its outcome.
    std::vector<std::size_t> awaited_by = {};
  };
  using KnownMap = std::unordered_map<Architecture, Known, ArchitectureHash>;
  // Stays where it is: sets hold pointers, for an architecture is long and hashing it is dear.
  using Entry = KnownMap::value_type;

  // A part of a stage that becomes final by itself: a bucket, or the whole stage where there is no pipelining.
  struct Region {
    int unfinished = 0;
    bool final = false;
    // The regions of the stage before that its members may come from, and how many of them are not final.
    std::size_t first_source = 0;
    std::size_t last_source = 0;
    std::size_t open_sources = 0;
  };

  struct Stage {
    Position position;
    BucketTable table;
    std::vector<Region> regions;
    std::size_t final_regions = 0;
    std::unordered_set<const Entry*> members;

    bool final() const { return final_regions == regions.size(); }
  };

  struct ByArchitecture {
    bool operator()(const std::pair<Position, Entry*>& a, const std::pair<Position, Entry*>& b) const {
      return a.first != b.first ? a.first < b.first : a.second->first < b.second->first;
    }
  };

  using Place = std::pair<std::size_t, std::size_t>;  // index in stages_, region

  static void Note(const Observation& observation, Known& known);
  void Begin();
  void EndPass();
  // The next stage, or a pass's first.
  void AddStage(Position position);
  // For the stage after the last: where its regions' members may come from.
  void FindSources(Position position, const BucketEdges& edges, std::vector<Region>& regions) const;
  // Adds the parents' children to a stage.
  void Expand(const std::vector<Architecture>& parents, std::size_t stage);
  void AddMember(std::size_t stage, Entry& entry);
  Entry& EntryOf(const Architecture& architecture);
  // Finds out what is final by now, beginning with the given regions, and expands it.
  void Settle(std::vector<Place> places);
  bool CanBeFinal(const Place& place) const;
  std::size_t RegionOf(std::size_t stage, const Known& known) const;
  std::vector<Architecture> BestOf(const Place& place) const;
  // The last table of this pass that has entries, else what the pass started from.
  std::vector<Architecture> LatestBest() const;
  BucketEdges EdgesOf(Position position) const;
  // What a stage's layer can change the cost by: least, most.
  std::pair<double, double> CostChange(Position position) const;
  // What the base and the first layers in the order of decision cost; 0 where it isn't known per layer.
  double DecidedCost(const Architecture& architecture, int layers) const;
  // Given DecidedCost() of the stage's layers.
  bool CanReachWantedCost(double decided_cost, Position position) const;
  // At most stage_limit of `untrained`, spread evenly over the stage's buckets.
  std::vector<Entry*> Limit(std::vector<Entry*> untrained, const Stage& stage) const;

  const Space& space_;
  const LayerNasOptions options_;
  const std::uint64_t seed_;
  const bool pipelined_;
  double largest_wanted_ = std::numeric_limits<double>::infinity();
  double smallest_wanted_ = -std::numeric_limits<double>::infinity();
  // Cheapest and dearest that the layers after a stage can cost: [stage], stage 0 … L. Empty if cost isn't per layer.
  std::vector<double> cheapest_rest_;
  std::vector<double> dearest_rest_;
  // For automatic buckets: architectures drawn uniformly.
  std::vector<Architecture> sample_;
  // For a measured cost, once it is known.
  double measured_max_ = 0;

  KnownMap known_;
  // The stages of this pass that have begun. In the first pass stages_[i] is stage i, later stage i + 1.
  std::deque<Stage> stages_;
  // What the stages' first one was expanded from.
  std::vector<Architecture> seeds_;
  // In an order that does not depend on the order of arrival: after a restart it is the same.
  std::set<std::pair<Position, Entry*>, ByArchitecture> ready_;
  std::vector<StageTable> tables_;
  int pass_ = 1;
  // Why nothing is left; empty as long as something may be.
  std::string done_;
};

}  // namespace layernas::core
