#include "controller/core/search.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace layernas::core {

Search::Search(SearchConfig config, UnixMillis now) : Search(std::move(config), SearchStatus{.created = now}, {}) {
  parts_.is_changed = true;
}

Search::Search(SearchConfig config, SearchStatus status, std::deque<Candidate> candidates)
    : parts_(std::move(config), std::move(candidates)),
      state_(status.state),
      state_reason_(status.reason),
      created_(status.created),
      ended_(status.ended) {
  parts_.Restore(status);
  noted_.Note(parts_);
  TakeChanges();
}

std::size_t Search::Ready(TaskKind kind) const { return state_ == SearchState::kRunning ? leasing_.Ready(kind) : 0; }

std::size_t Search::Ready() const {
  std::size_t ready = 0;
  for (const TaskKind kind : kinds()) ready += Ready(kind);
  // Each kind alone could use all places.
  return std::min(ready, leasing_.FreePlaces());
}

const Candidate* Search::Lease(const std::string& worker, const std::string& request_id, Instant now, TaskKind kind,
                               Others others) {
  if (state_ != SearchState::kRunning) return nullptr;
  if (parts_.phase.time_is_up()) reporting_.SkipWaiting(now.unix_ms);
  const Candidate* candidate = leasing_.Lease(worker, request_id, now, kind, others);
  Advance(now.unix_ms);
  return candidate;
}

bool Search::HoldsBack(const std::string& worker, Instant now, TaskKind kind, Others others) {
  return state_ == SearchState::kRunning && parts_.queue.HoldsBack(kind, worker, others, now.steady);
}

bool Search::AwaitsWork(TaskKind kind) const { return state_ == SearchState::kRunning && leasing_.AwaitsWork(kind); }

std::unique_ptr<BackgroundWork> Search::StartWork(std::size_t wanted) {
  return state_ == SearchState::kRunning ? leasing_.StartWork(wanted) : nullptr;
}

void Search::FinishWork(BackgroundWork& work, UnixMillis now) {
  parts_.strategy->FinishWork(work);
  // The computation may have found that nothing is left.
  Advance(now);
}

bool Search::Reuse(std::uint64_t number, const Metrics& metrics, std::string from, UnixMillis now) {
  const bool reused = reporting_.Reuse(number, metrics, std::move(from), now);
  Advance(now);
  return reused;
}

CompletionVerdict Search::Complete(std::uint64_t number, int attempt, const std::string& worker, AttemptResult result,
                                   Instant now, bool believed) {
  CompletionVerdict verdict = reporting_.Complete(number, attempt, worker, std::move(result), now, believed);
  Advance(now.unix_ms);
  return verdict;
}

CompletionVerdict Search::Fail(std::uint64_t number, int attempt, const std::string& worker, FailureKind kind,
                               std::string message, Instant now) {
  CompletionVerdict verdict = reporting_.Fail(number, attempt, worker, kind, std::move(message), now);
  Advance(now.unix_ms);
  return verdict;
}

void Search::EndIfHopeless(TaskKind kind, Others others, UnixMillis now) {
  if (core::IsFinal(state_)) return;
  const FailureTally& failures = parts_.failures;
  if (!failures.SpeaksAgainstSearch(kind, config().initial_failures, others)) return;
  End(SearchState::kFailed,
      absl::StrCat("no evaluation has succeeded in ", failures.failed(), " attempts; ", failures.Commonest()), now);
}

void Search::Release(std::uint64_t number, int attempt) { reporting_.Release(number, attempt); }

void Search::Expire(std::uint64_t number, int attempt, Instant now, std::string why, bool may_return) {
  reporting_.Expire(number, attempt, now, std::move(why), may_return);
  Advance(now.unix_ms);
}

bool Search::Renew(std::uint64_t number, int attempt, const std::string& worker) {
  return reporting_.Renew(number, attempt, worker, state_ == SearchState::kRunning);
}

bool Search::NoteProgress(std::uint64_t number, int attempt, const Curve& points, int epochs, UnixMillis now) {
  const bool wanted = reporting_.NoteProgress(number, attempt, points, epochs, now);
  if (!wanted) Advance(now);
  return wanted;
}

absl::Status Search::Pause() {
  if (state_ != SearchState::kRunning) return absl::FailedPreconditionError("only a running search can be paused");
  state_ = SearchState::kPaused;
  parts_.is_changed = true;
  return absl::OkStatus();
}

absl::Status Search::Resume(UnixMillis now) {
  if (state_ != SearchState::kPaused) return absl::FailedPreconditionError("only a paused search can be resumed");
  state_ = SearchState::kRunning;
  parts_.is_changed = true;
  Advance(now);
  return absl::OkStatus();
}

absl::Status Search::Cancel(UnixMillis now) {
  if (core::IsFinal(state_)) return absl::FailedPreconditionError("the search has ended already");
  End(SearchState::kCancelled, "cancelled", now);
  return absl::OkStatus();
}

absl::Status Search::Share(const Sharing& sharing) {
  if (core::IsFinal(state_)) return absl::FailedPreconditionError("the search has ended already");
  parts_.is_changed = parts_.is_changed || !(sharing == parts_.sharing);
  parts_.sharing = sharing;
  return absl::OkStatus();
}

void Search::CheckTime(UnixMillis now, Millis clock_set, bool silence_counts) {
  if (core::IsFinal(state_)) return;
  reporting_.set_silence_counts(silence_counts);
  // Candidates in progress finish; waiting ones are not started.
  if (parts_.phase.CheckTime(now, clock_set)) reporting_.SkipWaiting(now);
  Advance(now);
}

SearchStatus Search::status() const {
  return {state_, state_reason_, created_, started(), ended_, parts_.phase.searching_over()};
}

void Search::End(SearchState state, std::string reason, UnixMillis now) {
  state_ = state;
  state_reason_ = std::move(reason);
  ended_ = now;
  parts_.is_changed = true;
  parts_.queue.Clear();
  for (std::uint64_t number = 1; number <= parts_.candidates.size(); ++number) {
    Candidate& candidate = parts_.candidates[number];
    if (core::IsFinal(candidate.state)) continue;
    candidate.ended = now;
    parts_.candidates.SetState(candidate, CandidateState::kSkipped);
  }
}

void Search::Advance(UnixMillis now) {
  if (!core::IsFinal(state_) && parts_.phase.Advance(parts_.IsUnderWay())) {
    SearchPhase::End end = parts_.phase.Ending();
    End(end.state, std::move(end.reason), now);
  }
  noted_.Note(parts_);
}

}  // namespace layernas::core
