#include "controller/engine/check.h"

#include <deque>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace layernas {
namespace {

using Buckets = std::map<std::uint32_t, std::vector<storage::StoredBucketEntry>>;

std::string WhatIsWrong(const core::Candidate& candidate, const core::SearchConfig& config,
                        const std::deque<core::Candidate>& all) {
  if (candidate.architecture.size() != config.space.layers.size()) return "has the wrong number of layers";
  for (std::size_t i = 0; i < candidate.architecture.size(); ++i) {
    if (candidate.architecture[i] >= config.space.layers[i].option_count) return "has an option that its layer lacks";
  }
  if ((candidate.repeat_of != 0) != (candidate.repeat > 0))
    return "has only one of repeat number and repeated candidate";
  if (candidate.repeat_of != 0 && (candidate.repeat_of >= candidate.number ||
                                   all[candidate.repeat_of - 1].state != core::CandidateState::kSucceeded ||
                                   all[candidate.repeat_of - 1].architecture != candidate.architecture)) {
    return "repeats a candidate that is later, has no result or has another architecture";
  }
  if ((candidate.final_of != 0) != (candidate.final_seed > 0)) return "has only one of final seed and finalist";
  if (candidate.final_of != 0 && (candidate.final_of >= candidate.number ||
                                  all[candidate.final_of - 1].state != core::CandidateState::kSucceeded ||
                                  all[candidate.final_of - 1].architecture != candidate.architecture)) {
    return "is the full training of a candidate that is later, has no result or has another architecture";
  }
  const bool succeeded = candidate.state == core::CandidateState::kSucceeded;
  if (candidate.twin_of != 0) {
    if (candidate.twin_of >= candidate.number || all[candidate.twin_of - 1].twin_of != 0) {
      return "is the twin of a later candidate or of another twin";
    }
    const core::CandidateState state = all[candidate.twin_of - 1].state;
    const bool waits = candidate.state == core::CandidateState::kQueued && !core::IsFinal(state);
    if (candidate.state != state && !waits && candidate.state != core::CandidateState::kSkipped) {
      return "has a state that does not match that of the candidate it is a twin of";
    }
  }
  // A twin's state was compared with that of the other candidate above. A candidate with a reused
  // result that exceeds every target takes only the measurement, and is skipped.
  const bool is_reused = !candidate.reused_from.empty() && candidate.state != core::CandidateState::kSkipped;
  const bool has_result = candidate.result_attempt > 0 || is_reused || (candidate.twin_of != 0 && succeeded);
  if (succeeded != has_result) return "has a state that does not match its result";
  if (candidate.result_attempt > candidate.attempt) return "has a result from an attempt that was never made";
  if (!succeeded) return "";
  const std::optional<double> reward = candidate.metrics.Find(config.reward_metric);
  if (!reward) return "has succeeded without a reward";
  if (*reward != candidate.reward) return "has a reward that differs from its metric";
  if (config.space.CostIsPerLayer()) {
    if (config.space.Cost(candidate.architecture) != candidate.cost)
      return "has a cost that differs from its architecture's";
  } else if (candidate.metrics.Find(config.cost_metric) != candidate.cost) {
    return "has a cost that differs from its metric";
  }
  return "";
}

}  // namespace

absl::StatusOr<CheckReport> CheckStore(const storage::Store& store, const SpecParser& parse_spec) {
  CheckReport report;
  LAYERNAS_RETURN_IF_ERROR(store.VerifyFiles());
  LAYERNAS_ASSIGN_OR_RETURN(std::vector<storage::LoadedSearch> loaded, store.LoadSearches());
  for (storage::LoadedSearch& one : loaded) {
    const std::string name = SearchName(one.search.slug, one.search.id);
    ++report.searches;
    report.candidates += one.candidates.size();
    absl::StatusOr<core::SearchConfig> config = parse_spec(one.search.spec);
    if (!config.ok()) {
      report.problems.push_back(absl::StrCat(name, ": ", config.status().message()));
      continue;
    }
    std::set<std::tuple<core::Architecture, int, int>> seen;
    const std::size_t problems_before = report.problems.size();
    for (const core::Candidate& candidate : one.candidates) {
      const std::string wrong = WhatIsWrong(candidate, *config, one.candidates);
      if (!wrong.empty()) report.problems.push_back(absl::StrCat(CandidateName(name, candidate.number), " ", wrong));
      if (core::IsFinal(one.search.state) && !core::IsFinal(candidate.state)) {
        report.problems.push_back(
            absl::StrCat(CandidateName(name, candidate.number), " is unfinished in an ended search"));
      }
      if (!seen.insert({candidate.architecture, candidate.repeat, candidate.final_seed}).second) {
        report.problems.push_back(absl::StrCat(CandidateName(name, candidate.number), " occurs twice"));
      }
    }
    if (report.problems.size() > problems_before) continue;

    const core::Search search(*std::move(config),
                              {one.search.state, one.search.state_reason, one.search.created, one.search.started,
                               one.search.ended, one.search.searching_over},
                              std::move(one.candidates));
    std::map<core::Position, Buckets> stored;
    LAYERNAS_ASSIGN_OR_RETURN(auto rows, store.ReadBuckets(one.search.id));
    for (auto& [key, bucket] : rows) {
      stored[{static_cast<int>(key.pass), static_cast<int>(key.stage)}][key.bucket] = std::move(bucket);
    }
    std::map<core::Position, Buckets> recomputed;
    for (const core::StageTable& table : search.final_tables()) {
      for (std::size_t i = 0; i < table.table.edges().count(); ++i) {
        for (const core::Evaluated& entry : table.table.Bucket(i)) {
          recomputed[table.position][static_cast<std::uint32_t>(i)].push_back(
              {search.NumberOf(entry.architecture), entry.reward, entry.cost});
        }
      }
    }
    report.tables += recomputed.size();
    for (const auto& [position, buckets] : recomputed) {
      if (stored[position] == buckets) continue;
      report.problems.push_back(absl::StrCat(name, ": the table of pass ", position.pass, ", stage ", position.stage,
                                             " differs from the one computed from its candidates"));
    }
    for (const auto& [position, buckets] : stored) {
      if (recomputed.contains(position) || buckets.empty()) continue;
      report.problems.push_back(absl::StrCat(name, ": a table of pass ", position.pass, ", stage ", position.stage,
                                             " is stored, but does not follow from its candidates"));
    }
  }
  return report;
}

}  // namespace layernas
