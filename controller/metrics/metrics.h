// The controller's Prometheus series. They are created once, and hot paths only increment them. No
// label is unbounded: series by search exist only while the search runs.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "controller/core/search.h"
#include "controller/metrics/search_series.h"

namespace layernas {

// The engine's figures, counted at one moment.
struct EngineFigures {
  std::map<core::SearchState, std::size_t> searches;
  // This and the following figures are over searches that have not ended.
  std::map<core::CandidateState, std::size_t> candidates;
  // Tasks that could be leased now.
  std::size_t ready = 0;
  // Tasks that could be leased now or are leased, by required labels.
  std::map<std::map<std::string, std::string>, std::size_t> wanted;
  std::size_t leased = 0;
  std::size_t workers = 0;
  std::int64_t slots = 0;
  std::size_t shunned = 0;
  std::size_t parked_polls = 0;
};

// Counters and histograms are thread-safe. Functions marked as the engine's are only for its
// thread.
class ControllerMetrics {
 public:
  ControllerMetrics();

  // Keep the registry alive as long as it is exposed.
  std::shared_ptr<prometheus::Registry> registry() const { return registry_; }

 private:
  // Declared before the references below, which are created in it.
  const std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();

 public:
  // Keep the reference if you use it often: looking it up is expensive.
  prometheus::Histogram& RpcSeconds(const std::string& method);

  prometheus::Counter& lease_expirations;
  prometheus::Histogram& commit_seconds;
  prometheus::Histogram& commit_commands;
  prometheus::Histogram& engine_turn_seconds;
  prometheus::Counter& storage_syncs;
  prometheus::Gauge& storage_table_bytes;
  prometheus::Gauge& storage_memory_bytes;
  prometheus::Gauge& storage_compaction_pending_bytes;
  prometheus::Gauge& storage_free_bytes;
  prometheus::Gauge& tasks_ready;
  prometheus::Gauge& tasks_leased;
  prometheus::Gauge& workers;
  prometheus::Gauge& fleet_slots;
  prometheus::Gauge& workers_shunned;
  prometheus::Counter& worker_shuns;
  prometheus::Counter& results_reused;
  prometheus::Gauge& polls_parked;

  // Records a finished candidate that was leased. `took`: the time since its lease.
  void ObserveEvaluation(const core::Candidate& candidate, Millis took);
  prometheus::Counter& Completions(core::CompletionVerdict::Status status) { return *completions_[status]; }
  // `state` must be a final state.
  prometheus::Counter& Evaluations(core::CandidateState state) {
    return *evaluations_[static_cast<std::size_t>(state)];
  }
  prometheus::Counter& AttemptsFailed(core::FailureKind kind) {
    return *attempts_failed_[static_cast<std::size_t>(kind)];
  }
  // `reason` must be one of the gate's few reasons.
  prometheus::Counter& CallsRefused(const std::string& reason);

  // The engine's. Removes sets of labels that are no longer wanted. Shows at most kMaxRequirements
  // sets.
  static constexpr std::size_t kMaxRequirements = 100;
  void Show(const EngineFigures& figures);
  // The engine's: the results of running searches so far. A search is removed when it has ended.
  SearchSeries& searches() { return search_series_; }

 private:
  void SetSearches(const std::map<core::SearchState, std::size_t>& counts);
  void SetCandidates(const std::map<core::CandidateState, std::size_t>& counts);
  void SetWanted(const std::map<std::map<std::string, std::string>, std::size_t>& counts);

  prometheus::Family<prometheus::Histogram>& rpc_seconds_;
  prometheus::Family<prometheus::Counter>& calls_refused_;
  // Indexed by the value of the label. Looked up once, because the library looks up each series
  // under a lock.
  std::array<prometheus::Counter*, 3> completions_{};
  std::array<prometheus::Counter*, 7> evaluations_{};
  std::array<prometheus::Counter*, 4> attempts_failed_{};
  prometheus::Family<prometheus::Gauge>& searches_;
  prometheus::Family<prometheus::Gauge>& candidates_;
  prometheus::Family<prometheus::Gauge>& tasks_wanted_;
  // By the value of the label.
  std::map<std::string, prometheus::Gauge*> wanted_;
  prometheus::Histogram& task_wait_seconds_;
  prometheus::Histogram& evaluation_seconds_;
  SearchSeries search_series_;
};

// Returns the name in labels and logs: "running", "succeeded", …
const char* Name(core::SearchState state);
const char* Name(core::CandidateState state);
const char* Name(core::FailureKind kind);

}  // namespace layernas
