// One search as a state machine: it hands out candidates, takes their results, and decides when it
// ends. All search data that the engine writes to disk is decided here.
//
// A façade over its parts (search_parts.h): CandidateQueue (what waits), SearchPhase (budget, time,
// repeats, winners), Standings (what is best), MedianRule (what is stopped early), attempts.h and
// FailureTally (who is to blame), and the strategy (what is tried). Leasing and Reporting do the
// work.
//
// Pure: time is an argument, and the changes to store are left in TakeChanges(). Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "controller/core/leasing.h"
#include "controller/core/reporting.h"
#include "controller/core/search_changes.h"
#include "controller/core/search_parts.h"
#include "controller/core/search_state.h"

namespace layernas::core {

class Search {
 public:
  Search(SearchConfig config, UnixMillis now);
  // Restores a stored search. `candidates` are numbered 1 … n without gaps.
  Search(SearchConfig config, SearchStatus status, std::deque<Candidate> candidates);
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  // --- Handing out

  // Returns the kinds of its tasks, in the order in which they are handed out.
  std::span<const TaskKind> kinds() const { return parts_.kinds(); }
  // Returns the labels that a worker must have for such a task.
  const std::map<std::string, std::string>& RequireOf(TaskKind kind) const { return parts_.RequireOf(kind); }
  // Returns what the candidate's current or next lease asks for.
  TaskKind KindOf(const Candidate& candidate) const { return parts_.candidates.KindOf(candidate); }
  // Returns how many candidates could be leased now. This includes those in a back-off and those
  // that StartWork() would compute, and never exceeds what sharing() allows.
  std::size_t Ready(TaskKind kind) const;
  // The same for all kinds together.
  std::size_t Ready() const;
  // Returns how many candidates are leased for such a task.
  std::size_t Leased(TaskKind kind) const { return parts_.candidates.Leased(kind); }
  // Leases the next candidate to a worker, or returns null if there is none for it now. A candidate
  // whose attempt failed waits for a back-off and is offered to other workers first. `others`:
  // whether other workers could do such a task.
  const Candidate* Lease(const std::string& worker, const std::string& request_id, Instant now,
                         TaskKind kind = TaskKind::kEvaluate, Others others = Others::kSome);
  // Returns whether the last Lease() returned nothing only because it met many twins (twin_book.h);
  // one call settles a limited number of them. Call Lease() again to continue.
  bool HasMoreTwins() const { return state_ == SearchState::kRunning && leasing_.HasMoreTwins(); }
  // Returns whether Lease() returns nothing only because attempts failed on this worker.
  bool HoldsBack(const std::string& worker, Instant now, TaskKind kind = TaskKind::kEvaluate,
                 Others others = Others::kSome);

  // Returns whether the next candidates for such a task must be computed first: by StartWork(), or
  // by a computation in progress.
  bool AwaitsWork(TaskKind kind) const;
  // Returns a computation that makes `wanted` proposals available (see Strategy::StartWork), or
  // null if there is nothing to compute.
  std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted);
  void FinishWork(BackgroundWork& work, UnixMillis now);

  // The candidate that was leased last gets the result of another search's candidate, `from`. The
  // lease is undone. If all architectures are measured first and this one exceeds every target, it
  // takes only the measurement and is skipped. Returns false and changes nothing if the metrics are
  // not a valid result of this search.
  bool Reuse(std::uint64_t number, const Metrics& metrics, std::string from, UnixMillis now);

  // --- Taking back. `number` and `attempt` come from a lease token. Unknown leases are refused.

  // Accepts one result per candidate, from the attempt that reports first. The same report again is
  // accepted and changes nothing. A reward or cost that is not finite means that the training
  // diverged: the candidate is infeasible if the worker is `believed`, otherwise the attempt has
  // failed.
  CompletionVerdict Complete(std::uint64_t number, int attempt, const std::string& worker, AttemptResult result,
                             Instant now, bool believed = true);
  CompletionVerdict Fail(std::uint64_t number, int attempt, const std::string& worker, FailureKind kind,
                         std::string message, Instant now);
  // Ends the search as FAILED if so many attempts failed before any success that the search is to
  // blame. `others`: whether other workers than the one that failed last could do its tasks.
  void EndIfHopeless(TaskKind kind, Others others, UnixMillis now);
  // Returns the candidate to the queue without using up an attempt; a later failure report is
  // ignored. If the lease has expired, it no longer counts as lost, and a late heartbeat does not
  // restore it. Does nothing for any other lease.
  void Release(std::uint64_t number, int attempt);
  // The lease expired: it is lost, which is no failed attempt. Does nothing if it is not current.
  // `may_return`: whether its worker may still work on it.
  void Expire(std::uint64_t number, int attempt, Instant now, std::string why, bool may_return = true);
  // Handles the heartbeat of a lease; returns whether the worker should continue. An expired lease
  // that was not granted again is restored, and its attempt is not used up.
  bool Renew(std::uint64_t number, int attempt, const std::string& worker);
  // Changes the name of the worker that holds the lease. Does nothing if the lease is not current.
  void Rename(std::uint64_t number, int attempt, const std::string& worker) {
    reporting_.Rename(number, attempt, worker);
  }
  // Records the progress of the current lease's training, which has `epochs` epochs (0: unknown).
  // `points` is its whole curve so far, or its latest part. Returns false if the training is
  // hopeless; it is then stopped. Does nothing if the lease is not current.
  bool NoteProgress(std::uint64_t number, int attempt, const Curve& points, int epochs, UnixMillis now);

  // --- Lifecycle. The functions return FAILED_PRECONDITION if the state does not allow the change.

  absl::Status Pause();
  absl::Status Resume(UnixMillis now);
  absl::Status Cancel(UnixMillis now);
  absl::Status Share(const Sharing& sharing);
  // Stops proposing if the time is up, even while the search is paused, and ends the search if
  // nothing is left to do. Call it once after construction, because there may be nothing to try,
  // and then regularly. `clock_set`: how far the clock was set, ahead or back, since the search
  // started; this does not count as time. `silence_counts`: whether workers could report recently; if
  // not, it does not give up lost trainings.
  void CheckTime(UnixMillis now, Millis clock_set = Millis{0}, bool silence_counts = true);

  // --- Reading

  const SearchConfig& config() const { return parts_.config; }
  // The current sharing; at first the sharing of the configuration.
  const Sharing& sharing() const { return parts_.sharing; }
  SearchStatus status() const;
  SearchState state() const { return state_; }
  const std::string& state_reason() const { return state_reason_; }
  UnixMillis created() const { return created_; }
  UnixMillis started() const { return parts_.phase.started(); }
  UnixMillis ended() const { return ended_; }
  const std::deque<Candidate>& candidates() const { return parts_.candidates.all(); }
  // Returns null if there is no candidate with this number.
  const Candidate* candidate(std::uint64_t number) const { return parts_.candidates.Find(number); }
  // Candidates that were or will be trained, without full trainings and twins.
  std::int64_t trainings() const { return parts_.phase.trainings(); }
  std::size_t CountOf(CandidateState state) const { return parts_.candidates.CountOf(state); }
  // By the means of trainings. Contains the candidates of the first trainings.
  const Frontier& frontier() const { return parts_.standings.frontier(); }
  const Standings& standings() const { return parts_.standings; }
  // See SearchPhase.
  const std::vector<std::uint64_t>& winners() const { return parts_.phase.winners(); }
  std::uint64_t first_final() const { return parts_.phase.first_final(); }
  // One entry per target of the configuration, in its order.
  std::vector<BestWithinTarget> BestPerTarget() const { return parts_.BestPerTarget(); }
  // Returns the number of the first candidate with this architecture, or 0 if there is none.
  std::uint64_t NumberOf(const Architecture& architecture) const { return parts_.candidates.NumberOf(architecture); }
  Position position() const { return parts_.strategy->position(); }
  std::span<const StageTable> final_tables() const { return parts_.strategy->FinalTables(); }
  std::optional<StageTable> growing_table() const { return parts_.strategy->GrowingTable(); }

  Changes TakeChanges() { return noted_.Take(parts_); }

 private:
  void End(SearchState state, std::string reason, UnixMillis now);
  // Call it after every change. Ends the search if necessary, and records whether its stored or
  // visible data has changed.
  void Advance(UnixMillis now);

  SearchParts parts_;
  Reporting reporting_{parts_};
  Leasing leasing_{parts_, reporting_};

  SearchState state_ = SearchState::kRunning;
  std::string state_reason_;
  UnixMillis created_ = 0;
  UnixMillis ended_ = 0;
  NotedChanges noted_;
};

}  // namespace layernas::core
