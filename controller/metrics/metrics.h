// The controller's Prometheus series, made once; hot paths only increment. No label is unbounded: the ones by search
// are there only while it runs.
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

// How the engine stands, counted at one moment.
struct EngineFigures {
  std::map<core::SearchState, std::size_t> searches;
  // Over searches that have not ended, as all that follows.
  std::map<core::CandidateState, std::size_t> candidates;
  // Tasks that could be leased now.
  std::size_t ready = 0;
  // Tasks that could be leased now or are, by the labels that they require.
  std::map<std::map<std::string, std::string>, std::size_t> wanted;
  std::size_t leased = 0;
  std::size_t workers = 0;
  std::int64_t slots = 0;
  std::size_t shunned = 0;
  std::size_t parked_polls = 0;
};

// Counters and histograms are thread-safe; what is said to be the engine's is for its thread alone.
class ControllerMetrics {
 public:
  ControllerMetrics();

  // Keep it alive as long as it is exposed.
  std::shared_ptr<prometheus::Registry> registry() const { return registry_; }

 private:
  // Before the references below, which are made in it.
  const std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();

 public:
  // To be kept by whoever uses it often: finding it costs.
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

  // A candidate that workers were at has come to its end.
  void ObserveEvaluation(const core::Candidate& candidate);
  prometheus::Counter& Completions(core::CompletionVerdict::Status status) { return *completions_[status]; }
  // `state` is a final one.
  prometheus::Counter& Evaluations(core::CandidateState state) {
    return *evaluations_[static_cast<std::size_t>(state)];
  }
  prometheus::Counter& AttemptsFailed(core::FailureKind kind) {
    return *attempts_failed_[static_cast<std::size_t>(kind)];
  }
  // `reason` is one of the gate's few.
  prometheus::Counter& CallsRefused(const std::string& reason);

  // The engine's. A set of labels that is not among the wanted ones any more is forgotten; of many sets only so many
  // are shown.
  static constexpr std::size_t kMaxRequirements = 100;
  void Show(const EngineFigures& figures);
  // The engine's: what a running search has found so far; forgotten when it has ended.
  SearchSeries& searches() { return search_series_; }

 private:
  void SetSearches(const std::map<core::SearchState, std::size_t>& counts);
  void SetCandidates(const std::map<core::CandidateState, std::size_t>& counts);
  void SetWanted(const std::map<std::map<std::string, std::string>, std::size_t>& counts);

  prometheus::Family<prometheus::Histogram>& rpc_seconds_;
  prometheus::Family<prometheus::Counter>& calls_refused_;
  // By the number of their label's value. Found once: the library looks each up under a lock.
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

// As in labels and logs: "running", "succeeded", …
const char* Name(core::SearchState state);
const char* Name(core::CandidateState state);
const char* Name(core::FailureKind kind);

}  // namespace layernas
