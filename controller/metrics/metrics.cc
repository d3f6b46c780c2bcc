#include "controller/metrics/metrics.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_join.h"

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

// Buckets for durations of trainings and of waiting for them.
const prometheus::Histogram::BucketBoundaries& LongSecondsBuckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets = {0.001, 0.01, 0.1, 1,    5,     15,
                                                                   60,    300,  900, 3600, 14400, 86400};
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
                            .Help("Leases that expired because nothing was heard from their worker.")
                            .Register(*registry_)
                            .Add({})),
      commit_seconds(BuildHistogram()
                         .Name("layernas_storage_commit_seconds")
                         .Help("Duration of one synced write to the storage.")
                         .Register(*registry_)
                         .Add({}, SecondsBuckets())),
      commit_commands(BuildHistogram()
                          .Name("layernas_storage_commit_batch_commands")
                          .Help("Commands that shared one synced write.")
                          .Register(*registry_)
                          .Add({}, CountBuckets())),
      engine_turn_seconds(BuildHistogram()
                              .Name("layernas_engine_turn_seconds")
                              .Help("Time that the engine takes to process the commands of one turn.")
                              .Register(*registry_)
                              .Add({}, SecondsBuckets())),
      storage_syncs(BuildCounter()
                        .Name("layernas_storage_syncs_total")
                        .Help("Writes that the database has synced to the disk.")
                        .Register(*registry_)
                        .Add({})),
      storage_table_bytes(BuildGauge()
                              .Name("layernas_storage_table_bytes")
                              .Help("Size of the table files of the database.")
                              .Register(*registry_)
                              .Add({})),
      storage_memory_bytes(BuildGauge()
                               .Name("layernas_storage_memory_bytes")
                               .Help("Memory of the database's write buffers and table readers.")
                               .Register(*registry_)
                               .Add({})),
      storage_compaction_pending_bytes(BuildGauge()
                                           .Name("layernas_storage_compaction_pending_bytes")
                                           .Help("Bytes that the database still has to compact.")
                                           .Register(*registry_)
                                           .Add({})),
      storage_free_bytes(BuildGauge()
                             .Name("layernas_storage_free_bytes")
                             .Help("Free space of the file system that the data directory is on.")
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
      workers(BuildGauge().Name("layernas_workers").Help("Recently active workers.").Register(*registry_).Add({})),
      fleet_slots(BuildGauge()
                      .Name("layernas_fleet_slots")
                      .Help("Evaluations that the recently active workers can run at once.")
                      .Register(*registry_)
                      .Add({})),
      workers_shunned(BuildGauge()
                          .Name("layernas_workers_shunned")
                          .Help("Workers that get no tasks for now because their attempts keep failing.")
                          .Register(*registry_)
                          .Add({})),
      worker_shuns(BuildCounter()
                       .Name("layernas_worker_shuns_total")
                       .Help("How often a worker was shunned.")
                       .Register(*registry_)
                       .Add({})),
      results_reused(BuildCounter()
                         .Name("layernas_results_reused_total")
                         .Help("Candidates that were given the result of another candidate.")
                         .Register(*registry_)
                         .Add({})),
      polls_parked(BuildGauge()
                       .Name("layernas_polls_parked")
                       .Help("LeaseTasks calls that wait for work.")
                       .Register(*registry_)
                       .Add({})),
      rpc_seconds_(
          BuildHistogram()
              .Name("layernas_rpc_seconds")
              .Help("Time from the arrival of a call to its answer; for LeaseTasks it includes the wait for work.")
              .Register(*registry_)),
      calls_refused_(
          BuildCounter().Name("layernas_calls_refused_total").Help("Refused calls, by reason.").Register(*registry_)),
      searches_(BuildGauge().Name("layernas_searches").Help("Searches by state.").Register(*registry_)),
      candidates_(BuildGauge()
                      .Name("layernas_candidates")
                      .Help("Candidates of unfinished searches, by state.")
                      .Register(*registry_)),
      tasks_wanted_(BuildGauge()
                        .Name("layernas_tasks_wanted")
                        .Help("Candidates that workers hold or could lease now, by required worker labels.")
                        .Register(*registry_)),
      task_wait_seconds_(BuildHistogram()
                             .Name("layernas_task_wait_seconds")
                             .Help("Time from a candidate's proposal to its last lease.")
                             .Register(*registry_)
                             .Add({}, LongSecondsBuckets())),
      evaluation_seconds_(BuildHistogram()
                              .Name("layernas_evaluation_seconds")
                              .Help("Time from a candidate's last lease to its end.")
                              .Register(*registry_)
                              .Add({}, LongSecondsBuckets())),
      search_series_(*registry_) {
  // Creates every label value at the start: rate() misses the first event of a series that appears
  // with it.
  auto& completions =
      BuildCounter().Name("layernas_completions_total").Help("Worker reports by outcome.").Register(*registry_);
  for (const auto& [status, name] : {std::pair{core::CompletionVerdict::kAccepted, "accepted"},
                                     {core::CompletionVerdict::kRefused, "refused"},
                                     {core::CompletionVerdict::kInvalid, "invalid"}}) {
    completions_[status] = &completions.Add({{"status", name}});
  }
  auto& evaluations =
      BuildCounter().Name("layernas_evaluations_total").Help("Finished candidates by outcome.").Register(*registry_);
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

void ControllerMetrics::ObserveEvaluation(const core::Candidate& candidate, Millis took) {
  constexpr double kMillis = 1000;
  // The clock may have been set in between.
  task_wait_seconds_.Observe(static_cast<double>(std::max<UnixMillis>(candidate.started - candidate.created, 0)) /
                             kMillis);
  evaluation_seconds_.Observe(static_cast<double>(took.count()) / kMillis);
}

prometheus::Counter& ControllerMetrics::CallsRefused(const std::string& reason) {
  return calls_refused_.Add({{"reason", reason}});
}

void ControllerMetrics::Show(const EngineFigures& figures) {
  SetSearches(figures.searches);
  SetCandidates(figures.candidates);
  SetWanted(figures.wanted);
  tasks_ready.Set(static_cast<double>(figures.ready));
  tasks_leased.Set(static_cast<double>(figures.leased));
  workers.Set(static_cast<double>(figures.workers));
  fleet_slots.Set(static_cast<double>(figures.slots));
  workers_shunned.Set(static_cast<double>(figures.shunned));
  polls_parked.Set(static_cast<double>(figures.parked_polls));
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

void ControllerMetrics::SetWanted(const std::map<std::map<std::string, std::string>, std::size_t>& counts) {
  std::map<std::string, prometheus::Gauge*> shown;
  for (const auto& [labels, count] : counts) {
    if (shown.size() == kMaxRequirements) break;
    const std::string required = absl::StrJoin(labels, ",", absl::PairFormatter("="));
    prometheus::Gauge& gauge = tasks_wanted_.Add({{"required", required}});
    // Different labels can have the same text.
    if (!shown.emplace(required, &gauge).second) {
      gauge.Increment(static_cast<double>(count));
    } else {
      gauge.Set(static_cast<double>(count));
    }
  }
  for (const auto& [required, gauge] : wanted_) {
    if (!shown.contains(required)) tasks_wanted_.Remove(gauge);
  }
  wanted_ = std::move(shown);
}

}  // namespace layernas
