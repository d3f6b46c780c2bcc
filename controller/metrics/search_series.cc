#include "controller/metrics/search_series.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_format.h"
#include "common/base/cost_limit.h"
#include "common/base/number.h"
#include "controller/metrics/metrics.h"

namespace layernas {
namespace {

prometheus::Family<prometheus::Gauge>& Gauges(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

// Makes numbers sort in numeric order.
std::string Ordinal(std::size_t number) { return absl::StrFormat("%02d", number); }

}  // namespace

std::optional<double> LowestReward(const std::deque<core::Candidate>& candidates) {
  const core::Candidate* first = nullptr;
  for (const core::Candidate& candidate : candidates) {
    if (candidate.state != core::CandidateState::kSucceeded) continue;
    if (first == nullptr || candidate.ended < first->ended) first = &candidate;
  }
  if (first == nullptr) return std::nullopt;
  return std::min(first->reward, 0.0);
}

double MeanBestReward(const core::Frontier& frontier, double target, double lowest) {
  if (!(target > 0)) return lowest;
  double area = 0;
  double from = 0;
  double reward = lowest;
  for (const auto& [cost, point] : frontier.points()) {
    if (!MeetsLimit(cost, target)) break;
    const double start = std::min(std::max(cost, 0.0), target);
    area += reward * (start - from);
    from = start;
    reward = std::max(point.reward, lowest);
  }
  area += reward * (target - from);
  return area / target;
}

SearchSeries::SearchSeries(prometheus::Registry& registry)
    : frontier_points_(Gauges(registry, "layernas_frontier_points", "Non-dominated results of a search.")),
      best_reward_(Gauges(registry, "layernas_best_reward",
                          "Best reward at or under a target of a search; NaN if no result meets it.")),
      mean_best_reward_(
          Gauges(registry, "layernas_mean_best_reward",
                 "Best reward of a search at or under a cost, averaged over costs up to its largest target; NaN "
                 "before its first result.")),
      candidates_(Gauges(registry, "layernas_search_candidates", "Candidates of a search by state.")),
      trainings_(Gauges(registry, "layernas_search_trainings", "Candidates of a search that were handed to workers.")),
      trainings_budget_(
          Gauges(registry, "layernas_search_trainings_budget", "Maximum trainings of a search; 0 = no limit.")),
      tasks_ready_(
          Gauges(registry, "layernas_search_tasks_ready", "Candidates of a search that workers could lease now.")),
      waiting_(Gauges(registry, "layernas_search_waiting",
                      "1 while a search has a candidate that no connected worker can take.")),
      paused_(Gauges(registry, "layernas_search_paused", "1 while a search is paused.")),
      pass_(Gauges(registry, "layernas_search_pass", "Current pass of a search, from 1; 0 if it has no passes.")),
      stage_(Gauges(registry, "layernas_search_stage", "Layers that a search has decided in this pass.")),
      stages_(Gauges(registry, "layernas_search_stages", "Layers of a search's space.")),
      buckets_(Gauges(registry, "layernas_search_buckets", "Buckets of a search's latest table.")),
      buckets_filled_(Gauges(registry, "layernas_search_buckets_filled",
                             "Buckets of a search's latest table that hold an architecture.")),
      bucket_best_reward_(Gauges(registry, "layernas_bucket_best_reward",
                                 "Best reward in a bucket of a search's latest table, cheapest bucket first.")),
      frontier_reward_(Gauges(
          registry, "layernas_frontier_reward",
          "Reward of a point of a search's frontier, cheapest first; an even selection if there are many points.")),
      frontier_cost_(
          Gauges(registry, "layernas_frontier_cost", "Cost of the same point as in layernas_frontier_reward.")) {}

void SearchSeries::Put(Series& series, const std::string& name, Family& family, double value, Labels labels) {
  labels.emplace("search", name);
  prometheus::Gauge*& gauge = series.gauges[{&family, labels}];
  if (gauge == nullptr) gauge = &family.Add(labels);
  gauge->Set(value);
}

bool SearchSeries::Remove(Series& series, const std::string& name, Family& family, Labels labels) {
  labels.emplace("search", name);
  const auto gauge = series.gauges.find({&family, labels});
  if (gauge == series.gauges.end()) return false;
  family.Remove(gauge->second);
  series.gauges.erase(gauge);
  return true;
}

void SearchSeries::Set(const std::string& name, const core::Search& search, bool waits) {
  Series& series = searches_[name];
  Put(series, name, frontier_points_, static_cast<double>(search.frontier().points().size()));
  const std::vector<double>& targets = search.config().targets;
  const auto put_best = [&](double target, const std::string& label) {
    const auto best = search.frontier().BestWithin(target);
    Put(series, name, best_reward_, best ? best->second.reward : std::numeric_limits<double>::quiet_NaN(),
        {{"target", label}});
  };
  for (std::size_t i = 0; i < std::min(targets.size(), kMostTargets); ++i)
    put_best(targets[i], FormatNumber(targets[i]));
  if (targets.empty()) {
    put_best(std::numeric_limits<double>::infinity(), "none");
  } else {
    const double largest = *std::max_element(targets.begin(), targets.end());
    // Looked up once, because it is that of the first result.
    if (!series.lowest_reward && search.CountOf(core::CandidateState::kSucceeded) > 0) {
      series.lowest_reward = LowestReward(search.candidates());
    }
    Put(series, name, mean_best_reward_,
        series.lowest_reward ? MeanBestReward(search.frontier(), largest, *series.lowest_reward)
                             : std::numeric_limits<double>::quiet_NaN());
  }
  for (int state = 1; state <= static_cast<int>(core::CandidateState::kStopped); ++state) {
    const auto candidate_state = static_cast<core::CandidateState>(state);
    Put(series, name, candidates_, static_cast<double>(search.CountOf(candidate_state)),
        {{"state", Name(candidate_state)}});
  }
  Put(series, name, trainings_, static_cast<double>(search.trainings()));
  Put(series, name, trainings_budget_, static_cast<double>(search.config().trainings));
  Put(series, name, tasks_ready_, static_cast<double>(search.Ready()));
  Put(series, name, waiting_, waits ? 1 : 0);
  Put(series, name, paused_, search.state() == core::SearchState::kPaused ? 1 : 0);
  Put(series, name, pass_, search.position().pass);
  Put(series, name, stage_, search.position().stage);
  Put(series, name, stages_, static_cast<double>(search.config().space.layers.size()));
  PutTable(series, name, search);
  PutFrontier(series, name, search);
}

void SearchSeries::PutTable(Series& series, const std::string& name, const core::Search& search) {
  const auto tables = search.final_tables();
  if (tables.empty() || tables.back().position == series.table) return;
  series.table = tables.back().position;
  const core::BucketTable& table = tables.back().table;
  std::size_t filled = 0;
  for (std::size_t i = 0; i < table.edges().count(); ++i) {
    const auto bucket = table.Bucket(i);
    if (!bucket.empty()) ++filled;
    if (i >= kMostBuckets) continue;
    Put(series, name, bucket_best_reward_,
        bucket.empty() ? std::numeric_limits<double>::quiet_NaN() : bucket.front().reward, {{"bucket", Ordinal(i)}});
  }
  // A table can have fewer buckets than the one before.
  for (std::size_t i = std::min(table.edges().count(), kMostBuckets); i < kMostBuckets; ++i) {
    Remove(series, name, bucket_best_reward_, {{"bucket", Ordinal(i)}});
  }
  Put(series, name, buckets_, static_cast<double>(table.edges().count()));
  Put(series, name, buckets_filled_, static_cast<double>(filled));
}

void SearchSeries::PutFrontier(Series& series, const std::string& name, const core::Search& search) {
  const auto& points = search.frontier().points();
  const std::size_t shown = std::min(points.size(), kMostPoints);
  std::size_t position = 0;
  std::size_t next = 0;
  for (const auto& [cost, point] : points) {
    // Always includes the first and the last point.
    if (next < shown && (shown == 1 || position >= next * (points.size() - 1) / (shown - 1))) {
      Put(series, name, frontier_reward_, point.reward, {{"point", Ordinal(next)}});
      Put(series, name, frontier_cost_, cost, {{"point", Ordinal(next)}});
      ++next;
    }
    ++position;
  }
  // A better point may have replaced several points of the frontier.
  for (std::size_t i = shown; i < kMostPoints; ++i) {
    for (Family* family : {&frontier_reward_, &frontier_cost_}) {
      if (!Remove(series, name, *family, {{"point", Ordinal(i)}})) return;
    }
  }
}

void SearchSeries::Forget(const std::string& name) {
  const auto found = searches_.find(name);
  if (found == searches_.end()) return;
  for (const auto& [key, gauge] : found->second.gauges) key.first->Remove(gauge);
  searches_.erase(found);
}

}  // namespace layernas
