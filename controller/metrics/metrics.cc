#include "controller/metrics/metrics.h"

#include <array>
#include <limits>

#include "absl/strings/str_cat.h"

namespace layernas {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;

constexpr std::array kSearchStates = {core::SearchState::kRunning, core::SearchState::kPaused,
                                      core::SearchState::kSucceeded, core::SearchState::kFailed,
                                      core::SearchState::kCancelled};
constexpr std::array kCandidateStates = {core::CandidateState::kQueued,    core::CandidateState::kLeased,
                                         core::CandidateState::kSucceeded, core::CandidateState::kInfeasible,
                                         core::CandidateState::kFailed,    core::CandidateState::kSkipped,
                                         core::CandidateState::kStopped};

const prometheus::Histogram::BucketBoundaries& SecondsBuckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets = {
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
  return kBuckets;
}

const prometheus::Histogram::BucketBoundaries& CountBuckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
  return kBuckets;
}

}  // namespace

const char* Name(core::SearchState state) {
  switch (state) {
    case core::SearchState::kRunning:
      return "running";
    case core::SearchState::kPaused:
      return "paused";
    case core::SearchState::kSucceeded:
      return "succeeded";
    case core::SearchState::kFailed:
      return "failed";
    case core::SearchState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

const char* Name(core::CandidateState state) {
  switch (state) {
    case core::CandidateState::kQueued:
      return "queued";
    case core::CandidateState::kLeased:
      return "leased";
    case core::CandidateState::kSucceeded:
      return "succeeded";
    case core::CandidateState::kInfeasible:
      return "infeasible";
    case core::CandidateState::kFailed:
      return "failed";
    case core::CandidateState::kSkipped:
      return "skipped";
    case core::CandidateState::kStopped:
      return "stopped";
  }
  return "unknown";
}

const char* Name(core::FailureKind kind) {
  switch (kind) {
    case core::FailureKind::kInfeasible:
      return "infeasible";
    case core::FailureKind::kEvaluator:
      return "evaluator";
    case core::FailureKind::kWorkerLost:
      return "worker_lost";
  }
  return "unknown";
}

ControllerMetrics::ControllerMetrics()
    : lease_expirations(BuildCounter()
                            .Name("layernas_lease_expirations_total")
                            .Help("Leases that ran out because nothing was heard from their worker.")
                            .Register(*registry_)
                            .Add({})),
      commit_seconds(BuildHistogram()
                         .Name("layernas_storage_commit_seconds")
                         .Help("Time of one synced write to the storage.")
                         .Register(*registry_)
                         .Add({}, SecondsBuckets())),
      commit_commands(BuildHistogram()
                          .Name("layernas_storage_commit_batch_commands")
                          .Help("Commands that shared one synced write.")
                          .Register(*registry_)
                          .Add({}, CountBuckets())),
      storage_syncs(BuildCounter()
                        .Name("layernas_storage_syncs_total")
                        .Help("Writes that the database has synced to the disk.")
                        .Register(*registry_)
                        .Add({})),
      tasks_ready(BuildGauge()
                      .Name("layernas_tasks_ready")
                      .Help("Candidates that workers could lease now.")
                      .Register(*registry_)
                      .Add({})),
      tasks_leased(BuildGauge()
                       .Name("layernas_tasks_leased")
                       .Help("Candidates that workers hold now.")
                       .Register(*registry_)
                       .Add({})),
      workers(BuildGauge().Name("layernas_workers").Help("Workers heard from lately.").Register(*registry_).Add({})),
      workers_shunned(BuildGauge()
                          .Name("layernas_workers_shunned")
                          .Help("Workers that get no tasks for a while, for attempts fail on them again and again.")
                          .Register(*registry_)
                          .Add({})),
      worker_shuns(BuildCounter()
                       .Name("layernas_worker_shuns_total")
                       .Help("How often a worker was shunned.")
                       .Register(*registry_)
                       .Add({})),
      results_reused(BuildCounter()
                         .Name("layernas_results_reused_total")
                         .Help("Candidates that were given the result of another search.")
                         .Register(*registry_)
                         .Add({})),
      polls_parked(BuildGauge()
                       .Name("layernas_polls_parked")
                       .Help("Calls of LeaseTasks that wait for work.")
                       .Register(*registry_)
                       .Add({})),
      rpc_seconds_(BuildHistogram()
                       .Name("layernas_rpc_seconds")
                       .Help("Time from the arrival of a call to its answer; LeaseTasks waits for work in it.")
                       .Register(*registry_)),
      calls_refused_(BuildCounter()
                         .Name("layernas_calls_refused_total")
                         .Help("Calls that were not let in, by why.")
                         .Register(*registry_)),
      searches_(BuildGauge().Name("layernas_searches").Help("Searches by state.").Register(*registry_)),
      candidates_(BuildGauge()
                      .Name("layernas_candidates")
                      .Help("Candidates of the searches that have not ended, by state.")
                      .Register(*registry_)),
      frontier_points_(BuildGauge()
                           .Name("layernas_frontier_points")
                           .Help("Non-dominated results of a search that has not ended.")
                           .Register(*registry_)),
      best_reward_(BuildGauge()
                       .Name("layernas_best_reward")
                       .Help("Best reward at or under a target of a search that has not ended.")
                       .Register(*registry_)) {
  // Every label value from the start: a series that appears with its first event hides that event from rate().
  auto& completions = BuildCounter()
                          .Name("layernas_completions_total")
                          .Help("Reports of workers by what became of them.")
                          .Register(*registry_);
  for (const auto& [status, name] : {std::pair{core::CompletionVerdict::kAccepted, "accepted"},
                                     {core::CompletionVerdict::kRefused, "refused"},
                                     {core::CompletionVerdict::kInvalid, "invalid"}}) {
    completions_[status] = &completions.Add({{"status", name}});
  }
  auto& evaluations = BuildCounter()
                          .Name("layernas_evaluations_total")
                          .Help("Candidates that came to their end, by outcome.")
                          .Register(*registry_);
  for (const auto state :
       {core::CandidateState::kSucceeded, core::CandidateState::kInfeasible, core::CandidateState::kFailed,
        core::CandidateState::kSkipped, core::CandidateState::kStopped}) {
    evaluations_[static_cast<std::size_t>(state)] = &evaluations.Add({{"outcome", Name(state)}});
  }
  auto& attempts_failed =
      BuildCounter().Name("layernas_attempts_failed_total").Help("Failed attempts by kind.").Register(*registry_);
  for (const auto kind :
       {core::FailureKind::kInfeasible, core::FailureKind::kEvaluator, core::FailureKind::kWorkerLost}) {
    attempts_failed_[static_cast<std::size_t>(kind)] = &attempts_failed.Add({{"kind", Name(kind)}});
  }
}

prometheus::Histogram& ControllerMetrics::RpcSeconds(const std::string& method) {
  return rpc_seconds_.Add({{"method", method}}, SecondsBuckets());
}

prometheus::Counter& ControllerMetrics::CallsRefused(const std::string& reason) {
  return calls_refused_.Add({{"reason", reason}});
}

void ControllerMetrics::SetSearches(const std::map<core::SearchState, std::size_t>& counts) {
  for (const core::SearchState state : kSearchStates) {
    const auto count = counts.find(state);
    searches_.Add({{"state", Name(state)}}).Set(count == counts.end() ? 0 : static_cast<double>(count->second));
  }
}

void ControllerMetrics::SetCandidates(const std::map<core::CandidateState, std::size_t>& counts) {
  for (const core::CandidateState state : kCandidateStates) {
    const auto count = counts.find(state);
    candidates_.Add({{"state", Name(state)}}).Set(count == counts.end() ? 0 : static_cast<double>(count->second));
  }
}

void ControllerMetrics::SetSearch(const std::string& name, const core::Search& search) {
  auto [entry, added] = per_search_.try_emplace(name);
  PerSearch& series = entry->second;
  if (added) {
    series.frontier_points = &frontier_points_.Add({{"search", name}});
    for (const double target : search.config().targets) {
      series.best_reward.emplace_back(target, &best_reward_.Add({{"search", name}, {"target", absl::StrCat(target)}}));
    }
    if (series.best_reward.empty()) {
      series.best_reward.emplace_back(std::numeric_limits<double>::infinity(),
                                      &best_reward_.Add({{"search", name}, {"target", "none"}}));
    }
  }
  series.frontier_points->Set(static_cast<double>(search.frontier().points().size()));
  for (auto& [target, gauge] : series.best_reward) {
    const auto best = search.frontier().BestWithin(target);
    gauge->Set(best ? best->second.reward : std::numeric_limits<double>::quiet_NaN());
  }
}

void ControllerMetrics::ForgetSearch(const std::string& name) {
  const auto entry = per_search_.find(name);
  if (entry == per_search_.end()) return;
  frontier_points_.Remove(entry->second.frontier_points);
  for (auto& [target, gauge] : entry->second.best_reward) best_reward_.Remove(gauge);
  per_search_.erase(entry);
}

}  // namespace layernas
