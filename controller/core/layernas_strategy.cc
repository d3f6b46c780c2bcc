#include "controller/core/layernas_strategy.h"

#include <algorithm>
#include <map>

#include "common/base/random.h"

namespace layernas::core {

LayerNasStrategy::LayerNasStrategy(const Space& space, std::span<const double> targets, LayerNasOptions options,
                                   std::uint64_t seed)
    : space_(space), options_(std::move(options)), seed_(seed) {
  if (!targets.empty()) largest_wanted_ = *std::max_element(targets.begin(), targets.end());
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
  candidates_ = {space_.Default()};
  awaited_.insert(candidates_.front());
  ready_.push_back(candidates_.front());
}

void LayerNasStrategy::Restore(std::span<const PastProposal> past) {
  for (const PastProposal& one : past) {
    known_.emplace(one.proposal.architecture, Known{one.proposal.position, one.finished, one.outcome});
  }
  // Stage 0 anew, with what is known now; the later stages follow from it.
  const Architecture& first = candidates_.front();
  if (const auto known = known_.find(first); known != known_.end()) {
    ready_.clear();
    if (known->second.finished) awaited_.clear();
  }
  Advance();
}

std::optional<Proposal> LayerNasStrategy::Propose() {
  if (ready_.empty()) return std::nullopt;
  Proposal proposal{std::move(ready_.front()), position_};
  ready_.pop_front();
  known_.emplace(proposal.architecture, Known{position_, false, std::nullopt});
  return proposal;
}

void LayerNasStrategy::Observe(const Architecture& architecture, std::optional<Outcome> outcome) {
  Known& known = known_.at(architecture);
  known.finished = true;
  known.outcome = outcome;
  if (awaited_.erase(architecture) > 0) Advance();
}

std::optional<StageTable> LayerNasStrategy::GrowingTable() const {
  // Before the end of stage 0 there may be no buckets yet.
  if (done_ || position_ == Position{1, 0}) return std::nullopt;
  return StageTable{position_, Table()};
}

void LayerNasStrategy::Advance() {
  while (awaited_.empty() && !done_) {
    EndStage();
    if (!done_) BeginStage();
  }
}

void LayerNasStrategy::EndStage() {
  if (position_ == Position{1, 0}) MakeBuckets();
  const BucketTable table = Table();
  std::vector<Architecture> best;
  best.reserve(table.size());
  for (Evaluated& entry : table.Entries()) best.push_back(std::move(entry.architecture));
  // Where nothing of a stage has a result (the default architecture may be infeasible), the search goes on from where
  // it stood.
  if (!best.empty()) parents_ = std::move(best);
  if (parents_.empty()) parents_ = candidates_;
  tables_.push_back({position_, table});

  const int stages = static_cast<int>(space_.layers.size());
  if (position_.stage < stages) {
    ++position_.stage;
    return;
  }
  if (position_.pass == options_.passes || (position_.pass > 1 && PassStart().table.Entries() == table.Entries())) {
    done_ = true;
    candidates_.clear();
    return;
  }
  position_ = {position_.pass + 1, 1};
}

void LayerNasStrategy::BeginStage() {
  candidates_.clear();
  std::vector<Architecture> untrained;
  for (Architecture& child : Children()) {
    const auto known = known_.find(child);
    // After a restart later proposals are known too; only what was proposed before this stage was free of charge in it.
    if (known != known_.end() && known->second.position < position_) {
      candidates_.push_back(std::move(child));
    } else {
      untrained.push_back(std::move(child));
    }
  }
  for (Architecture& chosen : Limit(std::move(untrained))) candidates_.push_back(std::move(chosen));

  for (const Architecture& candidate : candidates_) {
    const auto known = known_.find(candidate);
    if (known == known_.end()) ready_.push_back(candidate);
    if (known == known_.end() || !known->second.finished) awaited_.insert(candidate);
  }
}

void LayerNasStrategy::MakeBuckets() {
  double default_min = 0;
  double default_max = 0;
  if (space_.CostIsPerLayer()) {
    default_min = space_.CheapestCost();
    default_max = space_.DearestCost();
  } else {
    if (largest_wanted_ < std::numeric_limits<double>::infinity()) default_max = largest_wanted_;
    const auto& outcome = known_.at(candidates_.front()).outcome;
    if (outcome) default_max = std::max(default_max, outcome->cost);
  }
  buckets_ = BucketEdges::Make(options_.buckets, default_min, default_max);
}

std::vector<Architecture> LayerNasStrategy::Children() const {
  const std::size_t layer = options_.order[position_.stage - 1];
  std::vector<Architecture> children;
  std::unordered_set<Architecture, ArchitectureHash> seen;
  for (const Architecture& parent : parents_) {
    Architecture child = parent;
    for (OptionIndex option = 0; option < space_.layers[layer].option_count; ++option) {
      child[layer] = option;
      if (CanReachWantedCost(child) && seen.insert(child).second) children.push_back(child);
    }
  }
  if (position_.pass > 1 && position_.stage == static_cast<int>(space_.layers.size())) {
    // A pass must not worsen a bucket. What it started from may have lost its place on the way to what was better but
    // is now out of the wanted range.
    for (Evaluated& entry : PassStart().table.Entries()) {
      if (seen.insert(entry.architecture).second) children.push_back(std::move(entry.architecture));
    }
  }
  return children;
}

const StageTable& LayerNasStrategy::PassStart() const { return tables_[(position_.pass - 1) * space_.layers.size()]; }

bool LayerNasStrategy::CanReachWantedCost(const Architecture& architecture) const {
  if (cheapest_rest_.empty()) return true;
  double decided = space_.base_cost;
  for (int i = 0; i < position_.stage; ++i) {
    const std::size_t layer = options_.order[i];
    decided += space_.layers[layer].costs[architecture[layer]];
  }
  // Costs are summed in another order elsewhere; a bound must not drop what meets the target but for rounding.
  const double slack = 1e-9 * (decided + dearest_rest_[position_.stage]);
  return decided + cheapest_rest_[position_.stage] <= largest_wanted_ + slack &&
         decided + dearest_rest_[position_.stage] >= smallest_wanted_ - slack;
}

std::vector<Architecture> LayerNasStrategy::Limit(std::vector<Architecture> untrained) const {
  const std::size_t limit = options_.stage_limit;
  if (limit == 0 || untrained.size() <= limit) return untrained;

  // By bucket, in random order within it. A measured cost isn't known yet: the parent's bucket stands for it, and as
  // children come grouped by parent, equal shares of the sequence do as well.
  RandomStream random({seed_, static_cast<std::uint64_t>(position_.pass), static_cast<std::uint64_t>(position_.stage)});
  std::map<std::size_t, std::vector<Architecture>> by_bucket;
  for (std::size_t i = 0; i < untrained.size(); ++i) {
    const std::size_t bucket =
        space_.CostIsPerLayer() ? buckets_.IndexOf(space_.Cost(untrained[i])) : i * buckets_.count() / untrained.size();
    by_bucket[bucket].push_back(std::move(untrained[i]));
  }
  for (auto& [bucket, members] : by_bucket) {
    for (std::size_t i = members.size() - 1; i > 0; --i) std::swap(members[i], members[random.Below(i + 1)]);
  }
  std::vector<Architecture> chosen;
  chosen.reserve(limit);
  for (std::size_t round = 0; chosen.size() < limit; ++round) {
    // The last, incomplete round goes to buckets drawn at random, not always to the cheapest.
    std::vector<Architecture> picks;
    for (auto& [bucket, members] : by_bucket) {
      if (round < members.size()) picks.push_back(std::move(members[round]));
    }
    while (!picks.empty() && chosen.size() < limit) {
      std::swap(picks[random.Below(picks.size())], picks.back());
      chosen.push_back(std::move(picks.back()));
      picks.pop_back();
    }
  }
  return chosen;
}

BucketTable LayerNasStrategy::Table() const {
  BucketTable table(buckets_, options_.replicas);
  for (const Architecture& candidate : candidates_) {
    const auto known = known_.find(candidate);
    if (known == known_.end() || !known->second.outcome) continue;
    table.Insert({candidate, known->second.outcome->reward, known->second.outcome->cost});
  }
  return table;
}

}  // namespace layernas::core
