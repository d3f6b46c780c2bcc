// The data of the engine's thread: its books, and the results of the present turn. Internal to the
// engine; used only on its thread.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "controller/core/fair_share.h"
#include "controller/engine/lease_book.h"
#include "controller/engine/names.h"
#include "controller/engine/poll_book.h"
#include "controller/engine/quotas.h"
#include "controller/engine/search_book.h"
#include "controller/engine/views.h"
#include "controller/engine/worker_book.h"
#include "controller/metrics/metrics.h"
#include "controller/storage/store.h"

namespace layernas {

struct EngineOptions {
  // How long a worker may be silent before its candidates are reassigned. Workers are told to call
  // three times in this period.
  Millis lease_duration{30'000};
  // Minimum changes kept per search for watches to continue from. At least 1,000 more are kept
  // before they are trimmed.
  std::uint64_t kept_changes = 10'000;
  // Minimum latest candidates per search whose logs are kept. At least 100 more are kept before
  // they are trimmed.
  std::uint64_t kept_logs = 1'000;
  // Maximum latest attempts per candidate whose logs are kept.
  int kept_attempt_logs = 5;
  // How long a search is kept after its end; 0 = until it is deleted.
  Millis retention{0};
  Quotas quotas = {};
};

inline absl::Status SearchWasDeleted() { return absl::NotFoundError("the search was deleted"); }
inline absl::Status Draining() { return absl::UnavailableError("the controller is shutting down"); }

struct EngineState {
  EngineState(storage::Store& used_store, EngineOptions engine_options, ControllerMetrics& used_metrics)
      : store(used_store), options(engine_options), metrics(used_metrics) {}
  EngineState(const EngineState&) = delete;
  EngineState& operator=(const EngineState&) = delete;

  storage::Store& store;
  const EngineOptions options;
  ControllerMetrics& metrics;

  // Time of this turn.
  Instant now;
  // Whether workers that were not heard, and leases that a heartbeat does not list, count as lost in
  // this turn. They do not after a pause, and while a write hangs.
  bool silence_counts = true;
  // By then, workers have reported after a start what they finished before.
  SteadyTime workers_are_back_at;
  // The time of the store in this turn (StoreClock).
  storage::StoreTime store_time;
  bool machine_clock_counts = false;
  // Lineage of the store; every lease token contains a number made from it (TokenLineage).
  std::uint64_t lineage = 0;
  // Store::ChangesBase().
  std::uint64_t changes_base = 0;
  // Nothing is handed out any more.
  bool draining = false;

  SearchBook searches;
  LeaseBook leases;
  WorkerBook workers;
  PollBook polls;
  core::FairShare shares;

  // --- Results of this turn

  // Searches that the turn may have changed, and searches that it removes.
  std::set<std::uint64_t> touched;
  std::set<std::uint64_t> deleted;
  // The time of the store must be written even if nothing else is: the next process could not know of
  // a setting of the clock, or of the time that this one ran.
  bool must_write_time = false;
  // Searches whose record must be written because time of the store was added.
  std::set<std::uint64_t> retimed;
  std::vector<std::pair<storage::LogKey, storage::StoredLog>> new_logs;
  // Functions to call at the end of the turn, and then the answers, which are given after it is
  // written.
  std::vector<std::function<void()>> at_end;
  std::vector<std::function<void()>> answers;

  std::uint64_t LineageOf(const SearchEntry& entry) const {
    if (entry.token_lineage == 0) entry.token_lineage = TokenLineage(lineage, entry.stored);
    return entry.token_lineage;
  }

  // Returns how far the machine's clock was set ahead since the search had its first lease, as
  // core::Search::CheckTime() needs it.
  Millis ClockSetSinceStart(const SearchEntry& entry) const {
    if (entry.stored.started == 0) return Millis{0};
    const Millis passed{store_time.time - entry.stored.start_store_time};
    return Millis{now.unix_ms - entry.stored.started} - passed;
  }

  // Returns whether other workers than `worker` can do work for these labels. It is for decisions
  // that cannot be undone (WorkerBook::HasOthers).
  core::Others OthersOf(const std::string& worker, const PollBook::Requirements& require) {
    return workers.HasOthers(worker, require) ? core::Others::kSome : core::Others::kNone;
  }

  Millis heartbeat_interval() const { return options.lease_duration / 3; }

  // Calls `reply` with the value after this turn is written.
  template <typename T>
  void Answer(Reply<T> reply, absl::StatusOr<T> value) {
    answers.push_back([reply = std::move(reply), value = std::move(value)]() mutable { reply(std::move(value)); });
  }
  // Calls `answer` with the state of the search after this turn; null if it was deleted.
  void AtEndOfTurn(std::uint64_t id, std::function<void(const SearchEntry* entry)> answer) {
    at_end.push_back([this, id, answer = std::move(answer)] { answer(searches.Find(id)); });
  }
};

}  // namespace layernas
