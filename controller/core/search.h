// One search as a state machine: hands candidates out, takes their results, knows when it is over. Everything that the
// engine writes to disk about a search is decided here.
//
// A façade over its parts (search_parts.h): CandidateQueue (what waits), SearchPhase (budget, time, repeats, winners),
// Standings (what is best), MedianRule (what is stopped early), attempts.h and FailureTally (who is to blame), and the
// strategy (what is tried); and over the two halves of the work, Leasing and Reporting.
//
// Pure: time comes in as an argument, and what must be stored is left in TakeChanges(). Not thread-safe.
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
#include "controller/core/search_parts.h"
#include "controller/core/search_state.h"

namespace layernas::core {

// What has to be written since the last TakeChanges().
struct Changes {
  // State, stage, or a best result changed.
  bool search = false;
  // Candidates, each once, in the order of their first change.
  std::vector<std::uint64_t> candidates;
  // Index in final_tables() from which tables are new.
  std::size_t new_tables_from = 0;

  bool Any() const { return search || !candidates.empty(); }
};

struct BestWithinTarget {
  double target = 0;
  // 0 = nothing meets it.
  std::uint64_t candidate = 0;
};

class Search {
 public:
  Search(SearchConfig config, UnixMillis now);
  // As it was stored. `candidates` are numbers 1 … n without gaps.
  Search(SearchConfig config, SearchStatus status, std::deque<Candidate> candidates);
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  // --- Handing out

  // The kinds of its tasks, those first that go before the others.
  std::span<const TaskKind> kinds() const { return parts_.kinds(); }
  // Labels that a worker must have for such a task.
  const std::map<std::string, std::string>& RequireOf(TaskKind kind) const { return parts_.RequireOf(kind); }
  // What the candidate's current lease asks for, or its next.
  TaskKind KindOf(const Candidate& candidate) const { return parts_.candidates.KindOf(candidate); }
  // How many candidates could be leased now, those that wait out a back-off and those that StartWork() would bring
  // included; never more than sharing() allows.
  std::size_t Ready(TaskKind kind) const;
  // Of all kinds.
  std::size_t Ready() const;
  // How many are leased for such a task.
  std::size_t Leased(TaskKind kind) const { return parts_.candidates.Leased(kind); }
  // Leases the next candidate to a worker; null if there is none for it now. A candidate whose attempt failed waits out
  // a back-off, and is offered to other workers first. `others`: whether other workers could do such a task.
  const Candidate* Lease(const std::string& worker, const std::string& request_id, Instant now,
                         TaskKind kind = TaskKind::kEvaluate, Others others = Others::kSome);
  // Whether the last Lease() returned nothing only because it came across many twins (twin_book.h), of which a call
  // settles a limited number. Another call goes on.
  bool HasMoreTwins() const { return state_ == SearchState::kRunning && leasing_.HasMoreTwins(); }
  // Whether Lease() would have a candidate but for its attempt having failed on this very worker.
  bool HoldsBack(const std::string& worker, Instant now, TaskKind kind = TaskKind::kEvaluate,
                 Others others = Others::kSome);

  // Whether the next candidates for such a task must be computed first: StartWork() does that, or it is under way.
  bool AwaitsWork(TaskKind kind) const;
  // Computation that makes `wanted` proposals available (Strategy::StartWork). Null if there is none to do.
  std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted);
  void FinishWork(BackgroundWork& work, UnixMillis now);

  // The candidate that was leased last has a result already: that of another search's candidate of this name. The lease
  // is as if it had never been. Where all are measured first, one that exceeds every target has its measurement alone,
  // and is skipped. False, and nothing has changed, if the metrics are no valid result of this search.
  bool Reuse(std::uint64_t number, const Metrics& metrics, std::string from, UnixMillis now);

  // --- Taking back. `number` and `attempt` are of a lease token; a token that never was is refused.

  // Accepted once per candidate, from whichever attempt comes first; the same report again is accepted and changes
  // nothing. A reward or cost that is not a finite number is taken for a training that diverged, which makes the
  // candidate infeasible, if the worker is `believed`, and else for a failed attempt.
  CompletionVerdict Complete(std::uint64_t number, int attempt, const std::string& worker, AttemptResult result,
                             Instant now, bool believed = true);
  CompletionVerdict Fail(std::uint64_t number, int attempt, const std::string& worker, FailureKind kind,
                         std::string message, Instant now);
  // Ends the search as FAILED if attempts failed so often before any success that it is the search's fault. `others`:
  // whether there are workers for its tasks besides the one that failed last.
  void EndIfHopeless(TaskKind kind, Others others, UnixMillis now);
  // Back to the queue, no attempt used up; a failure reported afterwards is ignored. Nothing happens if the lease is
  // not current.
  void Release(std::uint64_t number, int attempt);
  // The lease ran out: an attempt is used up. Nothing happens if the lease is not current.
  void Expire(std::uint64_t number, int attempt, Instant now, std::string why);
  // A heartbeat of a lease: true if the worker should go on. A lease that ran out and was given to nobody since is
  // taken up again by who has its token, its attempt no longer used up.
  bool Renew(std::uint64_t number, int attempt, const std::string& worker);
  // The worker that holds the lease is known by this name now. Nothing happens if the lease is not current.
  void Rename(std::uint64_t number, int attempt, const std::string& worker) {
    reporting_.Rename(number, attempt, worker);
  }
  // How far the current lease's training has come, of `epochs` (0: not known): its curve so far, or the latest points
  // of it. False if it is hopeless, and stopped thereby. Nothing happens if the lease is not current.
  bool NoteProgress(std::uint64_t number, int attempt, const Curve& points, int epochs, UnixMillis now);

  // --- Lifecycle. FAILED_PRECONDITION where the state does not allow it.

  absl::Status Pause();
  absl::Status Resume(UnixMillis now);
  absl::Status Cancel(UnixMillis now);
  absl::Status Share(const Sharing& sharing);
  // Ends the searching if its time is up, also while it is paused, and the search if nothing is left to do. Must be
  // called once after the construction, since there may be nothing to try at all, and then now and then. `clock_set`:
  // by how much the clock was set, ahead or back, since the search was started; that is no time that has passed.
  void CheckTime(UnixMillis now, Millis clock_set = Millis{0});

  // --- Reading

  const SearchConfig& config() const { return parts_.config; }
  // As it is now; at first that of the configuration.
  const Sharing& sharing() const { return parts_.sharing; }
  SearchStatus status() const;
  SearchState state() const { return state_; }
  const std::string& state_reason() const { return state_reason_; }
  UnixMillis created() const { return created_; }
  UnixMillis started() const { return parts_.phase.started(); }
  UnixMillis ended() const { return ended_; }
  const std::deque<Candidate>& candidates() const { return parts_.candidates.all(); }
  // Null if there is none of that number.
  const Candidate* candidate(std::uint64_t number) const { return parts_.candidates.Find(number); }
  // Candidates that were trained, or are to be; those trained in full and twins are not among them.
  std::int64_t trainings() const { return parts_.phase.trainings(); }
  std::size_t CountOf(CandidateState state) const { return parts_.candidates.CountOf(state); }
  // By the means of trainings; goes by the candidates that were the first ones.
  const Frontier& frontier() const { return parts_.standings.frontier(); }
  const Standings& standings() const { return parts_.standings; }
  // See SearchPhase.
  const std::vector<std::uint64_t>& winners() const { return parts_.phase.winners(); }
  std::uint64_t first_final() const { return parts_.phase.first_final(); }
  // One per target of the configuration, in its order.
  std::vector<BestWithinTarget> BestPerTarget() const;
  // The number of the first candidate with this architecture; 0 if there is none.
  std::uint64_t NumberOf(const Architecture& architecture) const { return parts_.candidates.NumberOf(architecture); }
  Position position() const { return parts_.strategy->position(); }
  std::span<const StageTable> final_tables() const { return parts_.strategy->FinalTables(); }
  std::optional<StageTable> growing_table() const { return parts_.strategy->GrowingTable(); }

  Changes TakeChanges();

 private:
  void End(SearchState state, std::string reason, UnixMillis now);
  // To be called after every change: ends the search if that is due, and notes whether what is stored or shown of it
  // has changed.
  void Advance(UnixMillis now);
  void NoteStandings();

  SearchParts parts_;
  Reporting reporting_{parts_};
  Leasing leasing_{parts_, reporting_};

  SearchState state_ = SearchState::kRunning;
  std::string state_reason_;
  UnixMillis created_ = 0;
  UnixMillis ended_ = 0;

  std::size_t noted_tables_ = 0;
  Position noted_position_;
  std::vector<std::uint64_t> noted_best_;
  std::string noted_searching_over_;
};

}  // namespace layernas::core
