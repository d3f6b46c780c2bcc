// LayerNAS (arXiv 2304.11517): layers are decided one after another. The candidates of a stage are
// grouped by cost into buckets. Each bucket keeps its best candidates, from which the next stage
// continues.
//
// Extension of the paper: if the cost is known per layer, a stage need not wait for its slowest
// training (bucket-level pipelining). A bucket is final, and its best candidates are expanded, as
// soon as no unfinished candidate can fall into it. The tables are the same.
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

// Makes at most 1 + H * replicas * sum of |S_i| trainings per pass, with H buckets.
class LayerNasStrategy final : public Strategy {
 public:
  // `space` must outlive the strategy. `targets` may be empty; otherwise only costs up to the
  // largest target are wanted.
  LayerNasStrategy(const Space& space, std::span<const double> targets, LayerNasOptions options, std::uint64_t seed);

  void Restore(std::span<const PastProposal> past) override;
  Supply supply() const override;
  std::optional<Proposal> Propose() override;
  void Observe(const Architecture& architecture, const Observation& observation) override;
  // Returns the position of the first stage that is not final.
  Position position() const override;
  std::span<const StageTable> FinalTables() const override { return tables_; }
  std::optional<StageTable> GrowingTable() const override;

 private:
  // An architecture that was proposed or will be proposed.
  struct Known {
    // Position of its proposal; empty before.
    std::optional<Position> proposed = {};
    bool finished = false;
    std::optional<Outcome> outcome = {};
    // If it is known per layer.
    double cost = 0;
    // Indices in stages_ of the stages that wait for its outcome.
    std::vector<std::size_t> awaited_by = {};
  };
  using KnownMap = std::unordered_map<Architecture, Known, ArchitectureHash>;
  // The address of an entry is stable. Sets hold pointers, because an architecture is long and
  // expensive to hash.
  using Entry = KnownMap::value_type;

  // A part of a stage that becomes final on its own: a bucket, or without pipelining the whole
  // stage.
  struct Region {
    int unfinished = 0;
    bool final = false;
    // The regions of the previous stage that its members may come from, and how many of them are
    // not final.
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
  // Adds the next stage, or the first one of a pass.
  void AddStage(Position position);
  // For a stage to be added: finds the regions of the last stage that its members may come from.
  void FindSources(Position position, const BucketEdges& edges, std::vector<Region>& regions) const;
  // Adds the parents' children to a stage.
  void Expand(const std::vector<Architecture>& parents, std::size_t stage);
  void AddMember(std::size_t stage, Entry& entry);
  Entry& EntryOf(const Architecture& architecture);
  // Finds the regions that are final now, starting with `places`, and expands them.
  void Settle(std::vector<Place> places);
  bool CanBeFinal(const Place& place) const;
  std::size_t RegionOf(std::size_t stage, const Known& known) const;
  std::vector<Architecture> BestOf(const Place& place) const;
  // Returns the entries of the last table of this pass that is not empty, or the start of the pass.
  std::vector<Architecture> LatestBest() const;
  BucketEdges EdgesOf(Position position) const;
  // Returns the minimum and the maximum by which a stage's layer can change the cost.
  std::pair<double, double> CostChange(Position position) const;
  // Returns the cost of the base and of the first `layers` decided layers, or 0 if it is not known
  // per layer.
  double DecidedCost(const Architecture& architecture, int layers) const;
  // `decided_cost` is the DecidedCost() of the stage's layers.
  bool CanReachWantedCost(double decided_cost, Position position) const;
  // Returns at most stage_limit of `untrained`, spread evenly over the stage's buckets.
  std::vector<Entry*> Limit(std::vector<Entry*> untrained, const Stage& stage) const;

  const Space& space_;
  const LayerNasOptions options_;
  const std::uint64_t seed_;
  const bool pipelined_;
  double largest_wanted_ = std::numeric_limits<double>::infinity();
  double smallest_wanted_ = -std::numeric_limits<double>::infinity();
  // Minimum and maximum cost of the layers after a stage: [stage], stage 0 … L. Empty if the cost
  // is not known per layer.
  std::vector<double> cheapest_rest_;
  std::vector<double> dearest_rest_;
  // Architectures drawn uniformly, for automatic buckets.
  std::vector<Architecture> sample_;
  // For a measured cost, after it is known.
  double measured_max_ = 0;

  KnownMap known_;
  // The stages of this pass that have started. In the first pass stages_[i] is stage i, later stage
  // i + 1.
  std::deque<Stage> stages_;
  // The architectures that the first of the stages was expanded from.
  std::vector<Architecture> seeds_;
  // Ordered independently of the order of arrival, so it is the same after a restart.
  std::set<std::pair<Position, Entry*>, ByArchitecture> ready_;
  std::vector<StageTable> tables_;
  int pass_ = 1;
  // Why nothing is left; empty while something may be left.
  std::string done_;
};

}  // namespace layernas::core
