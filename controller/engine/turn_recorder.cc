#include "controller/engine/turn_recorder.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "controller/engine/search_views.h"

namespace layernas {

storage::Batch TurnRecorder::Collect() {
  storage::Batch batch;
  if (state_.searches.next_id() != stored_next_id_) batch.PutNextSearchId(state_.searches.next_id());
  stored_next_id_ = state_.searches.next_id();
  for (const std::uint64_t id : state_.deleted) batch.DeleteSearch(id);
  std::erase_if(state_.touched, [&](std::uint64_t id) {
    SearchEntry* entry = state_.searches.Find(id);
    return entry == nullptr || entry->IsBroken() || !CollectSearch(*entry, batch);
  });
  CollectLogs(batch);
  for (const std::uint64_t id : std::exchange(state_.retimed, {})) {
    if (const SearchEntry* entry = state_.searches.Find(id)) batch.PutSearch(entry->stored);
  }
  const bool is_due = state_.now.steady - time_written_ >= kTimeInterval;
  if (!batch.empty() || state_.must_write_time || (is_due && !state_.searches.all().empty())) {
    batch.PutStoreTime(state_.store_time);
    state_.must_write_time = false;
    time_written_ = state_.now.steady;
  }
  return batch;
}

bool TurnRecorder::CollectSearch(SearchEntry& entry, storage::Batch& batch) {
  const core::Search& search = *entry.search;
  const core::Changes changes = entry.search->TakeChanges();
  const std::uint64_t id = entry.id();
  for (const std::uint64_t number : changes.candidates) CollectCandidate(entry, *search.candidate(number), batch);
  CollectTables(entry, changes.new_tables_from, batch);
  if (changes.search) {
    const core::SearchStatus status = search.status();
    entry.stored.state = status.state;
    entry.stored.state_reason = status.reason;
    entry.stored.created = status.created;
    if (entry.stored.started != status.started) {
      entry.stored.start_store_time = state_.store_time.time;
      entry.stored.start_is_early = !state_.machine_clock_counts;
    }
    if (entry.stored.ended != status.ended) {
      entry.stored.end_store_time = state_.store_time.time;
      entry.stored.end_is_early = !state_.machine_clock_counts;
    }
    entry.stored.started = status.started;
    entry.stored.ended = status.ended;
    entry.stored.searching_over = status.searching_over;
    entry.stored.sharing = search.sharing();
    batch.PutSearch(entry.stored);
    batch.PutChange(id, {++entry.sequence, state_.now.unix_ms, std::nullopt});
    if (core::IsFinal(search.state())) {
      state_.searches.Close(id);
      state_.shares.Forget(id);
      log::Info("search ended",
                {{"search", entry.name}, {"state", Name(search.state())}, {"why", search.state_reason()}});
      state_.metrics.searches().Forget(entry.name);
    }
  }
  // Not at every change, because a range deletion is expensive.
  constexpr std::uint64_t kTrimEvery = 1000;
  if (changes.Any() && entry.sequence >= entry.first_kept + state_.options.kept_changes + kTrimEvery) {
    entry.first_kept = entry.sequence - state_.options.kept_changes;
    batch.TrimChanges(id, entry.first_kept);
  }
  return changes.Any();
}

void TurnRecorder::CollectCandidate(SearchEntry& entry, const core::Candidate& candidate, storage::Batch& batch) {
  const LeaseBook::Key key{entry.id(), candidate.number};
  const Millis clock_set = state_.leases.ClockSetSince(key);
  if (candidate.state != core::CandidateState::kLeased) {
    state_.leases.Remove(key);
  } else if (!state_.leases.Holds(key, candidate.worker)) {
    // The lease had expired, and its worker has resumed it.
    state_.leases.Set(key, candidate.worker, state_.now.steady + state_.options.lease_duration);
  }
  if (core::IsFinal(candidate.state)) {
    state_.metrics.Evaluations(candidate.state).Increment();
    if (candidate.twin_of != 0 && candidate.state == core::CandidateState::kSucceeded) {
      state_.metrics.results_reused.Increment();
    }
    if (candidate.state != core::CandidateState::kSkipped && candidate.started != 0) {
      // Negative if the clock was set back since an earlier lease.
      const Millis took = std::max(Millis{candidate.ended - candidate.started} - clock_set, Millis{0});
      if (took > Millis{0}) state_.shares.Took(entry.id(), took);
      state_.metrics.ObserveEvaluation(candidate, took);
    }
  }
  batch.PutChangedCandidate(entry.id(), candidate, ++entry.sequence, state_.now.unix_ms);
}

void TurnRecorder::CollectTables(const SearchEntry& entry, std::size_t from, storage::Batch& batch) const {
  const auto tables = entry.search->final_tables();
  for (std::size_t i = from; i < tables.size(); ++i) {
    for (const BucketView& bucket : MakeBuckets(*entry.search, tables[i])) {
      std::vector<storage::StoredBucketEntry> stored;
      stored.reserve(bucket.entries.size());
      for (const BucketView::Entry& one : bucket.entries) {
        stored.push_back({one.candidate, one.evaluated.reward, one.evaluated.cost});
      }
      batch.PutBucket({entry.id(), static_cast<std::uint32_t>(bucket.position.pass),
                       static_cast<std::uint32_t>(bucket.position.stage), static_cast<std::uint32_t>(bucket.bucket)},
                      stored);
    }
  }
}

void TurnRecorder::CollectLogs(storage::Batch& batch) {
  // Not at every log, because a range deletion is expensive.
  constexpr std::uint64_t kTrimEvery = 100;
  for (const auto& [key, log] : std::exchange(state_.new_logs, {})) {
    SearchEntry* entry = state_.searches.Find(key.search);
    if (entry == nullptr) continue;
    // The log is too late to be one of the latest.
    if (key.candidate < entry->first_logged) continue;
    const auto kept_attempts = static_cast<std::uint32_t>(state_.options.kept_attempt_logs);
    const core::Candidate* candidate = entry->IsBroken() ? nullptr : entry->search->candidate(key.candidate);
    if (candidate != nullptr && std::int64_t{key.attempt} + kept_attempts <= candidate->attempt) continue;
    batch.PutLog(key, log);
    if (key.attempt > kept_attempts) {
      batch.DeleteLogs({key.search, key.candidate, 0}, {key.search, key.candidate, key.attempt - kept_attempts + 1});
    }
    const std::uint64_t kept = state_.options.kept_logs;
    if (key.candidate >= entry->first_logged + kept + kTrimEvery) {
      entry->first_logged = key.candidate - kept + 1;
      batch.DeleteLogs({key.search, 0, 0}, {key.search, entry->first_logged, 0});
    }
  }
}

}  // namespace layernas
