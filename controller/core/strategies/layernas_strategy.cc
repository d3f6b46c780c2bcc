#include "controller/core/strategies/layernas_strategy.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/base/cost_limit.h"
#include "common/base/random.h"
#include "controller/core/strategies/within_limit.h"

namespace layernas::core {
namespace {

// Architectures drawn to estimate the quantiles of reachable costs.
constexpr int kSample = 2048;

}  // namespace

LayerNasStrategy::LayerNasStrategy(const Space& space, std::span<const double> targets, LayerNasOptions options,
                                   std::uint64_t seed)
    : space_(space),
      options_(std::move(options)),
      seed_(seed),
      pipelined_(options_.pipelined && options_.stage_limit == 0 && space.CostIsPerLayer()) {
  largest_wanted_ = HighestTarget(targets);
  if (options_.buckets.min) smallest_wanted_ = *options_.buckets.min;
  if (space_.CostIsPerLayer()) {
    const std::size_t layers = space_.layers.size();
    cheapest_rest_.assign(layers + 1, 0);
    dearest_rest_.assign(layers + 1, 0);
    for (std::size_t stage = layers; stage > 0; --stage) {
      const auto& costs = space_.layers[options_.order[stage - 1]].costs;
      cheapest_rest_[stage - 1] = cheapest_rest_[stage] + *std::min_element(costs.begin(), costs.end());
      dearest_rest_[stage - 1] = dearest_rest_[stage] + *std::max_element(costs.begin(), costs.end());
    }
  }
  if (options_.buckets.scale == BucketScale::kAuto) {
    RandomStream random({seed_, 0xa070});
    for (int i = 0; i < kSample; ++i) {
      Architecture& drawn = sample_.emplace_back();
      for (const Layer& layer : space_.layers) {
        drawn.push_back(static_cast<OptionIndex>(random.Below(layer.option_count)));
      }
    }
  }
  Begin();
}

void LayerNasStrategy::Begin() {
  stages_.clear();
  ready_.clear();
  // M[0] is a stage whose only candidate is the default architecture. Its table is filled later,
  // when the buckets' edges are known.
  stages_.emplace_back(Stage{{1, 0}, BucketTable({}, options_.replicas), std::vector<Region>(1), 0, {}});
  AddMember(0, EntryOf(space_.Default()));
  Settle({{0, 0}});
}

void LayerNasStrategy::Restore(std::span<const PastProposal> past) {
  known_.clear();
  for (const PastProposal& one : past) {
    Known& known = EntryOf(one.proposal.architecture).second;
    known.proposed = one.proposal.position;
    if (one.observation) Note(*one.observation, known);
  }
  // Stages are rebuilt from the known outcomes.
  Begin();
}

Supply LayerNasStrategy::supply() const {
  if (!ready_.empty()) return {Supply::When::kNow, ready_.size(), ""};
  if (!done_.empty()) return {Supply::When::kNever, 0, done_};
  return {Supply::When::kAfterOutcome, 0, ""};
}

std::optional<Proposal> LayerNasStrategy::Propose() {
  if (ready_.empty()) return std::nullopt;
  const auto [position, entry] = ready_.extract(ready_.begin()).value();
  entry->second.proposed = position;
  return Proposal{entry->first, position};
}

void LayerNasStrategy::Note(const Observation& observation, Known& known) {
  known.finished = true;
  if (observation.kind == Observation::Kind::kResult) known.outcome = observation.outcome;
}

void LayerNasStrategy::Observe(const Architecture& architecture, const Observation& observation) {
  Known& known = known_.at(architecture);
  Note(observation, known);
  const std::optional<Outcome>& outcome = known.outcome;
  std::vector<Place> changed;
  for (const std::size_t stage : std::exchange(known.awaited_by, {})) {
    const std::size_t region = RegionOf(stage, known);
    --stages_[stage].regions[region].unfinished;
    // Stage 0's table is filled when its edges are known.
    if (outcome && stages_[stage].position.stage > 0) {
      stages_[stage].table.Insert({architecture, outcome->reward, outcome->cost});
    }
    changed.emplace_back(stage, region);
    // The stage's first result lets regions of the next become final: see CanBeFinal().
    if (outcome && stages_[stage].table.size() == 1 && stage + 1 < stages_.size()) {
      for (std::size_t next = 0; next < stages_[stage + 1].regions.size(); ++next)
        changed.emplace_back(stage + 1, next);
    }
  }
  Settle(std::move(changed));
}

Position LayerNasStrategy::position() const {
  for (const Stage& stage : stages_) {
    if (!stage.final()) return stage.position;
  }
  return stages_.back().position;
}

std::optional<StageTable> LayerNasStrategy::GrowingTable() const {
  if (!done_.empty()) return std::nullopt;
  for (const Stage& stage : stages_) {
    if (stage.final()) continue;
    // Before stage 0 ends there may be no buckets.
    if (stage.position.stage == 0) return std::nullopt;
    return StageTable{stage.position, stage.table};
  }
  return std::nullopt;
}

void LayerNasStrategy::AddStage(Position position) {
  BucketTable table(EdgesOf(position), options_.replicas);
  std::vector<Region> regions(pipelined_ ? table.edges().count() : 1);
  if (!stages_.empty()) FindSources(position, table.edges(), regions);
  stages_.emplace_back(Stage{position, std::move(table), std::move(regions), 0, {}});
}

void LayerNasStrategy::FindSources(Position position, const BucketEdges& edges, std::vector<Region>& regions) const {
  const Stage& before = stages_.back();
  for (std::size_t i = 0; i < regions.size(); ++i) regions[i].last_source = before.regions.size() - 1;
  if (before.regions.size() > 1 && regions.size() > 1) {
    const auto [least, most] = CostChange(position);
    // The slack covers rounded sums. A little too much does no harm, too little would. But a sum
    // never rises when a summand falls.
    const double slack = 1e-9 * (std::abs(space_.base_cost) + dearest_rest_[0]);
    for (std::size_t i = 0; i < regions.size(); ++i) {
      const auto [lower, upper] = edges.Range(i);
      const double lowest = lower - most - slack;
      const double highest = upper - least + slack;
      regions[i].first_source = before.table.edges().IndexOf(most <= 0 ? std::max(lowest, lower) : lowest);
      regions[i].last_source =
          before.table.edges().IndexOf(least >= 0 ? std::min(highest, std::nextafter(upper, lower)) : highest);
    }
  }
  for (Region& region : regions) {
    for (std::size_t source = region.first_source; source <= region.last_source; ++source) {
      region.open_sources += before.regions[source].final ? 0 : 1;
    }
  }
}

void LayerNasStrategy::Expand(const std::vector<Architecture>& parents, std::size_t stage) {
  const Position position = stages_[stage].position;
  const std::size_t layer = options_.order[position.stage - 1];
  std::vector<Entry*> untrained;
  for (const Architecture& parent : parents) {
    const double decided = DecidedCost(parent, position.stage - 1);
    Architecture child = parent;
    for (OptionIndex option = 0; option < space_.layers[layer].option_count; ++option) {
      const auto& costs = space_.layers[layer].costs;
      if (!CanReachWantedCost(decided + (costs.empty() ? 0 : costs[option]), position)) continue;
      child[layer] = option;
      Entry& entry = EntryOf(child);
      if (!stages_[stage].members.insert(&entry).second) continue;
      // After a restart, later proposals are known too. Only architectures proposed before this
      // stage do not count against its limit.
      const std::optional<Position>& proposed = entry.second.proposed;
      if (options_.stage_limit > 0 && !(proposed && *proposed < position)) {
        untrained.push_back(&entry);
      } else {
        AddMember(stage, entry);
      }
    }
  }
  for (Entry* chosen : Limit(std::move(untrained), stages_[stage])) AddMember(stage, *chosen);
}

void LayerNasStrategy::AddMember(std::size_t stage, Entry& entry) {
  Stage& here = stages_[stage];
  here.members.insert(&entry);
  Known& known = entry.second;
  if (known.finished) {
    if (known.outcome && here.position.stage > 0) {
      here.table.Insert({entry.first, known.outcome->reward, known.outcome->cost});
    }
    return;
  }
  ++here.regions[RegionOf(stage, known)].unfinished;
  if (!known.proposed && known.awaited_by.empty()) ready_.emplace(here.position, &entry);
  known.awaited_by.push_back(stage);
}

LayerNasStrategy::Entry& LayerNasStrategy::EntryOf(const Architecture& architecture) {
  const auto [entry, added] = known_.try_emplace(architecture);
  if (added && !cheapest_rest_.empty()) entry->second.cost = space_.Cost(architecture);
  return *entry;
}

void LayerNasStrategy::Settle(std::vector<Place> places) {
  const auto layers = static_cast<int>(space_.layers.size());
  while (!places.empty() && done_.empty()) {
    const Place place = places.back();
    places.pop_back();
    if (!CanBeFinal(place)) continue;
    const auto [at, region] = place;
    const Position position = stages_[at].position;
    if (position.stage == 0) {
      const auto& outcome = known_.at(space_.Default()).outcome;
      if (outcome) measured_max_ = outcome->cost;
      stages_[at].table = BucketTable(EdgesOf(position), options_.replicas);
      if (outcome) stages_[at].table.Insert({space_.Default(), outcome->reward, outcome->cost});
    }
    if (position.stage < layers && at + 1 == stages_.size()) {
      AddStage({position.pass, position.stage + 1});
      if (position.pass > 1 && position.stage + 1 == layers) {
        // A pass must not make a bucket worse. An architecture from the start of the pass may have
        // been displaced by a better one that is now outside the wanted range.
        const StageTable& start = tables_[(pass_ - 1) * space_.layers.size()];
        for (const Evaluated& entry : start.table.Entries()) AddMember(at + 1, EntryOf(entry.architecture));
      }
    }
    stages_[at].regions[region].final = true;
    ++stages_[at].final_regions;
    const bool complete = stages_[at].final();
    if (complete) tables_.push_back({position, stages_[at].table});
    if (position.stage == layers) {
      if (complete) {
        EndPass();
        return;
      }
      continue;
    }

    // If no architecture of a stage has a result (the default architecture may be infeasible), the
    // search continues from the latest results.
    if (complete && stages_[at].table.size() == 0) {
      Expand(LatestBest(), at + 1);
    } else {
      Expand(BestOf(place), at + 1);
    }
    std::vector<Region>& next = stages_[at + 1].regions;
    // The sources of regions ascend.
    const auto fed = std::partition_point(next.begin(), next.end(),
                                          [source = region](const Region& one) { return one.last_source < source; });
    for (auto one = fed; one != next.end() && one->first_source <= region; ++one) {
      if (--one->open_sources == 0) places.emplace_back(at + 1, one - next.begin());
    }
    // Some regions waited for a result of the stage, and none came.
    if (complete) {
      for (std::size_t i = 0; i < next.size(); ++i) places.emplace_back(at + 1, i);
    }
  }
}

void LayerNasStrategy::EndPass() {
  // The table that this pass started from: M[L] of the previous pass.
  const std::size_t layers = space_.layers.size();
  const StageTable& now = tables_.back();
  const bool unchanged = pass_ > 1 && tables_[tables_.size() - 1 - layers].table.Entries() == now.table.Entries();
  if (space_.CostIsPerLayer() && !MeetsLimit(space_.CheapestCost(), largest_wanted_)) {
    done_ = WhyNothingIsLeft(space_, {&largest_wanted_, 1}, 0);
  } else if (unchanged) {
    done_ = "the last pass changed nothing";
  } else if (pass_ == options_.passes) {
    done_ = pass_ == 1 ? "its one pass is done" : absl::StrCat("all ", pass_, " passes are done");
  }
  if (!done_.empty()) return;
  std::vector<Architecture> parents = LatestBest();
  ++pass_;
  stages_.clear();
  seeds_ = std::move(parents);
  AddStage({pass_, 1});
  Expand(seeds_, 0);
  std::vector<Place> places;
  for (std::size_t region = 0; region < stages_[0].regions.size(); ++region) places.emplace_back(0, region);
  Settle(std::move(places));
}

std::vector<Architecture> LayerNasStrategy::LatestBest() const {
  for (auto stage = stages_.rbegin(); stage != stages_.rend(); ++stage) {
    if (stage->table.size() == 0) continue;
    std::vector<Architecture> best;
    for (Evaluated& entry : stage->table.Entries()) best.push_back(std::move(entry.architecture));
    return best;
  }
  if (seeds_.empty()) return {space_.Default()};
  return seeds_;
}

bool LayerNasStrategy::CanBeFinal(const Place& place) const {
  const auto& [at, region] = place;
  const Region& here = stages_[at].regions[region];
  if (here.final || here.unfinished > 0 || here.open_sources > 0) return false;
  // While the previous stage has no result at all, it may still end without any. Then other
  // architectures are expanded.
  return at == 0 || stages_[at - 1].final() || stages_[at - 1].table.size() > 0;
}

std::pair<double, double> LayerNasStrategy::CostChange(Position position) const {
  const Layer& layer = space_.layers[options_.order[position.stage - 1]];
  const auto [cheapest, dearest] = std::minmax_element(layer.costs.begin(), layer.costs.end());
  // In the first pass the layer had its default option, later it can have any option.
  const double max_before = position.pass == 1 ? layer.costs[layer.default_option] : *dearest;
  const double least_before = position.pass == 1 ? layer.costs[layer.default_option] : *cheapest;
  return {*cheapest - max_before, *dearest - least_before};
}

std::size_t LayerNasStrategy::RegionOf(std::size_t stage, const Known& known) const {
  if (stages_[stage].regions.size() == 1) return 0;
  return stages_[stage].table.edges().IndexOf(known.cost);
}

std::vector<Architecture> LayerNasStrategy::BestOf(const Place& place) const {
  const Stage& stage = stages_[place.first];
  std::vector<Architecture> best;
  if (stage.regions.size() == 1) {
    for (Evaluated& entry : stage.table.Entries()) best.push_back(std::move(entry.architecture));
  } else {
    for (const Evaluated& entry : stage.table.Bucket(place.second)) best.push_back(entry.architecture);
  }
  return best;
}

BucketEdges LayerNasStrategy::EdgesOf(Position position) const {
  if (options_.buckets.scale == BucketScale::kAuto && options_.buckets.edges.empty()) {
    std::vector<double> costs;
    for (const Architecture& drawn : sample_) {
      Architecture partial = position.pass == 1 ? space_.Default() : drawn;
      for (int i = 0; i < position.stage; ++i) partial[options_.order[i]] = drawn[options_.order[i]];
      if (CanReachWantedCost(DecidedCost(partial, position.stage), position)) costs.push_back(space_.Cost(partial));
    }
    return costs.empty() ? BucketEdges() : BucketEdges::Quantiles(std::move(costs), options_.buckets.count);
  }
  if (space_.CostIsPerLayer()) {
    return BucketEdges::Make(options_.buckets, space_.CheapestCost(), space_.DearestCost());
  }
  const double largest = largest_wanted_ < std::numeric_limits<double>::infinity() ? largest_wanted_ : 0;
  return BucketEdges::Make(options_.buckets, 0, std::max(largest, measured_max_));
}

double LayerNasStrategy::DecidedCost(const Architecture& architecture, int layers) const {
  if (cheapest_rest_.empty()) return 0;
  double cost = space_.base_cost;
  for (int i = 0; i < layers; ++i) {
    const std::size_t layer = options_.order[i];
    cost += space_.layers[layer].costs[architecture[layer]];
  }
  return cost;
}

bool LayerNasStrategy::CanReachWantedCost(double decided_cost, Position position) const {
  if (cheapest_rest_.empty()) return true;
  return MeetsLimit(decided_cost + cheapest_rest_[position.stage], largest_wanted_) &&
         MeetsLimit(smallest_wanted_, decided_cost + dearest_rest_[position.stage]);
}

std::vector<LayerNasStrategy::Entry*> LayerNasStrategy::Limit(std::vector<Entry*> untrained, const Stage& stage) const {
  const std::size_t limit = options_.stage_limit;
  if (limit == 0 || untrained.size() <= limit) return untrained;

  // By bucket, in random order within each. A measured cost is not known yet, so the parent's
  // bucket is used. Children are grouped by parent, so equal shares of the sequence have the same
  // effect.
  RandomStream random(
      {seed_, static_cast<std::uint64_t>(stage.position.pass), static_cast<std::uint64_t>(stage.position.stage)});
  const BucketEdges& edges = stage.table.edges();
  std::map<std::size_t, std::vector<Entry*>> by_bucket;
  for (std::size_t i = 0; i < untrained.size(); ++i) {
    const std::size_t bucket =
        space_.CostIsPerLayer() ? edges.IndexOf(untrained[i]->second.cost) : i * edges.count() / untrained.size();
    by_bucket[bucket].push_back(untrained[i]);
  }
  for (auto& [bucket, members] : by_bucket) Shuffle(members, random);
  std::vector<Entry*> chosen;
  chosen.reserve(limit);
  for (std::size_t round = 0; chosen.size() < limit; ++round) {
    // The last, incomplete round goes to randomly drawn buckets, not always to the cheapest.
    std::vector<Entry*> picks;
    for (auto& [bucket, members] : by_bucket) {
      if (round < members.size()) picks.push_back(members[round]);
    }
    while (!picks.empty() && chosen.size() < limit) {
      std::swap(picks[random.Below(picks.size())], picks.back());
      chosen.push_back(picks.back());
      picks.pop_back();
    }
  }
  return chosen;
}

}  // namespace layernas::core
