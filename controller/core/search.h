// One search as a state machine: hands candidates out, takes their results, knows when it is over. Everything that the
// engine writes to disk about a search is decided here.
//
// Pure: time comes in as an argument, and what must be stored is left in TakeChanges(). Not thread-safe.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "controller/core/architecture_index.h"
#include "controller/core/candidate.h"
#include "controller/core/early_stop.h"
#include "controller/core/fair_share.h"
#include "controller/core/frontier.h"
#include "controller/core/search_config.h"
#include "controller/core/search_state.h"
#include "controller/core/space.h"
#include "controller/core/standings.h"

namespace layernas::core {

// What became of a reported result or failure.
struct CompletionVerdict {
  enum Status { kAccepted, kRefused, kInvalid } status = kAccepted;
  std::string message;
};

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
  Search(SearchConfig config, SearchState state, std::string state_reason, UnixMillis created, UnixMillis ended,
         std::deque<Candidate> candidates);
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  // --- Handing out

  // The kinds of its tasks, those first that go before the others.
  std::span<const TaskKind> kinds() const;
  // Labels that a worker must have for such a task.
  const std::map<std::string, std::string>& RequireOf(TaskKind kind) const;
  // What the candidate's current lease asks for, or its next.
  TaskKind KindOf(const Candidate& candidate) const;
  // How many candidates could be leased now, those that wait out a back-off included; never more than sharing() allows.
  std::size_t Ready(TaskKind kind) const;
  // Of all kinds.
  std::size_t Ready() const;
  // How many are leased for such a task.
  std::size_t Leased(TaskKind kind) const;
  // Leases the next candidate to a worker; null if there is none for it now. A candidate whose attempt failed waits out
  // a back-off, and is offered to other workers first.
  const Candidate* Lease(const std::string& worker, const std::string& request_id, Instant now,
                         TaskKind kind = TaskKind::kEvaluate);
  // Whether Lease() would have a candidate but for its attempt having failed on this very worker.
  bool HoldsBack(const std::string& worker, Instant now, TaskKind kind = TaskKind::kEvaluate) const;

  // As Strategy's: to be done before Lease() finds nothing, for strategies that compute their proposals.
  std::unique_ptr<BackgroundWork> StartWork(std::size_t wanted);
  void FinishWork(BackgroundWork& work) { strategy_->FinishWork(work); }

  // The candidate that was leased last has a result already: that of another search's candidate of this name. The lease
  // is as if it had never been. False, and nothing has changed, if the metrics are no valid result of this search.
  bool Reuse(std::uint64_t number, const Metrics& metrics, std::string from, UnixMillis now);

  // --- Taking back. `number` and `attempt` are a lease token; a token that never was is refused.

  // Accepted once per candidate, from whichever attempt comes first; the same report again is accepted and changes
  // nothing.
  CompletionVerdict Complete(std::uint64_t number, int attempt, const std::string& worker, const Metrics& metrics,
                             Instant now, Curve curve = {}, std::vector<WeightsFile> weights = {});
  CompletionVerdict Fail(std::uint64_t number, int attempt, const std::string& worker, FailureKind kind,
                         std::string message, Instant now);
  // Back to the queue, no attempt used up; a failure reported afterwards is ignored. Nothing happens if the lease is
  // not current.
  void Release(std::uint64_t number, int attempt);
  // The lease ran out: an attempt is used up. Nothing happens if the lease is not current.
  void Expire(std::uint64_t number, int attempt, Instant now, std::string why);
  // A heartbeat of a lease: true if the worker should go on. A lease that ran out and was given to nobody since is
  // taken up again, its attempt no longer used up.
  bool Renew(std::uint64_t number, int attempt, const std::string& worker);
  // How far the current lease's training has come, of `epochs` (0: not known). False if it is hopeless, and stopped
  // thereby. Nothing happens if the lease is not current.
  bool NoteProgress(std::uint64_t number, int attempt, CurvePoint point, int epochs, UnixMillis now);

  // --- Lifecycle. FAILED_PRECONDITION where the state does not allow it.

  absl::Status Pause();
  absl::Status Resume();
  absl::Status Cancel(UnixMillis now);
  absl::Status Share(const Sharing& sharing);
  // Ends the search if its time is up. To be called now and then. `clock_set`: by how much the clock was set, ahead or
  // back, since the search was created; that is no time that has passed.
  void CheckTime(UnixMillis now, Millis clock_set = Millis{0});

  // --- Reading

  const SearchConfig& config() const { return config_; }
  // As it is now; at first that of the configuration.
  const Sharing& sharing() const { return sharing_; }
  SearchState state() const { return state_; }
  const std::string& state_reason() const { return state_reason_; }
  UnixMillis created() const { return created_; }
  UnixMillis ended() const { return ended_; }
  const std::deque<Candidate>& candidates() const { return candidates_; }
  // Null if there is none of that number.
  const Candidate* candidate(std::uint64_t number) const;
  // Candidates that were trained, or are to be.
  std::int64_t trainings() const;
  std::size_t CountOf(CandidateState state) const { return counts_[static_cast<std::size_t>(state)]; }
  // By the means of trainings; goes by the candidates that were the first ones.
  const Frontier& frontier() const { return standings_.frontier(); }
  const Standings& standings() const { return standings_; }
  // What is trained in full, the first target's best first; empty before that begins.
  const std::vector<std::uint64_t>& winners() const { return winners_; }
  // The number of the first training in full; 0 where none has begun. No other candidates follow it.
  std::uint64_t first_final() const { return first_final_; }
  // One per target of the configuration, in its order.
  std::vector<BestWithinTarget> BestPerTarget() const;
  // The number of the first candidate with this architecture; 0 if there is none.
  std::uint64_t NumberOf(const Architecture& architecture) const;
  Position position() const { return strategy_->position(); }
  std::span<const StageTable> final_tables() const { return strategy_->FinalTables(); }
  std::optional<StageTable> growing_table() const { return strategy_->GrowingTable(); }

  Changes TakeChanges();

 private:
  // Null unless (number, attempt) is a lease that was granted.
  Candidate* Granted(std::uint64_t number, int attempt);
  void SetState(Candidate& candidate, CandidateState state);
  void Queue(Candidate& candidate, SteadyTime not_before, std::string avoid_worker);
  // Whether the lease of this attempt was, or is, to measure it apart.
  bool WasToMeasure(const Candidate& candidate, int attempt) const {
    return IsMeasuredApart() && (candidate.measured_attempt == 0 || attempt <= candidate.measured_attempt);
  }
  CompletionVerdict CompleteMeasurement(Candidate& candidate, int attempt, const std::string& worker,
                                        const Metrics& metrics, Instant now);
  double CostOf(const Candidate& candidate) const;
  // Its result: metrics that are valid.
  void Succeed(Candidate& candidate, const Metrics& metrics, UnixMillis now);
  // The candidate has reached a final state: tells the strategy, and ends the search if that was it.
  void Finished(Candidate& candidate, CandidateState state, UnixMillis now);
  // A failed attempt; the candidate is tried again or given up.
  void AttemptFailed(Candidate& candidate, AttemptFailure failure, Instant now);
  // Failed attempts at its current task.
  static int FailuresOfTask(const Candidate& candidate);
  // Whether it is the candidate that its failures speak against: they happened on more than one worker.
  static bool IsPoison(const Candidate& candidate);
  void CountFailure(const AttemptFailure& failure);
  void End(SearchState state, std::string reason, UnixMillis now);
  void EndIfOver(UnixMillis now);
  // A new candidate, queued.
  Candidate& Create(Architecture architecture, Position position, UnixMillis now);
  bool BudgetUsed() const;
  // Trainings that are left of the budget.
  std::int64_t Remaining() const;
  // The rest of the budget is for the finalists, or the strategy has nothing left.
  bool AreRepeatsDue() const;
  // What to repeat now.
  std::optional<std::uint64_t> NextRepeat() const;
  // Whether there is nothing left to search for: all that may follow are trainings in full.
  bool SearchingIsOver() const;
  // Whether the strategy, the finalists' repeats or the budget allow for nothing more to be begun.
  bool NothingLeft() const;
  bool StrategyIsDone() const;
  // Decides who has won once searching is over.
  void BeginFinals();
  // Trainings in full that were handed out, and that are still to be.
  std::int64_t FinalsBegun() const;
  std::int64_t FinalsLeft() const;
  // Whether the strategy may be asked.
  bool MayPropose() const;
  // How many more may be under way.
  std::size_t FreePlaces() const;
  // How many more may be measured ahead of the trainings.
  std::size_t PlacesAhead() const;
  bool IsMeasuredApart() const { return config_.measure_on.has_value(); }
  // Candidates queued for a task of this kind.
  std::size_t Queued(TaskKind kind) const;
  // Whether the cost exceeds every target.
  bool IsOverTargets(double cost) const;
  // So many were measured and skipped that going on is pointless.
  bool MeasuredInVain() const;
  // Of what was measured apart.
  double LowestCost() const;
  std::string CommonestFailure() const;
  void MarkDirty(Candidate& candidate);
  // Notes a change of the search if stage or best results are no longer those noted last.
  void NoteStandings();
  // What the strategy learns of it, in its state.
  std::optional<Outcome> OutcomeOf(const Candidate& candidate) const;
  // Notes a training that has ended, where it is compared with others.
  void NoteCurve(const Candidate& candidate);

  const SearchConfig config_;
  std::unique_ptr<Strategy> strategy_;
  Sharing sharing_;
  SearchState state_ = SearchState::kRunning;
  std::string state_reason_;
  UnixMillis created_ = 0;
  UnixMillis ended_ = 0;
  // By number - 1. A deque, for there may be a million: growing moves nothing.
  std::deque<Candidate> candidates_;
  // Numbered as the candidates.
  ArchitectureIndex architectures_;
  std::array<std::size_t, 8> counts_{};
  Standings standings_;
  MedianRule median_rule_;
  std::vector<std::uint64_t> winners_;
  bool winners_known_ = false;
  std::uint64_t first_final_ = 0;
  // Of those leased.
  std::size_t being_measured_ = 0;
  std::map<std::string, int> failure_messages_;
  int failed_attempts_ = 0;
  bool time_is_up_ = false;

  // A queued candidate. Soft state: after a restart everything queued may go at once, to anyone.
  struct Waiting {
    std::uint64_t number;
    SteadyTime not_before;
    std::string avoid_worker;
  };
  static bool AvoidsWorker(const Waiting& waiting, const std::string& worker, SteadyTime now);

  std::deque<Waiting> queue_;
  // Of the latest result; the names are shared with it.
  Metrics latest_metrics_;

  Changes changes_;
  std::vector<bool> dirty_;
  Position noted_position_;
  std::vector<std::uint64_t> noted_best_;
};

}  // namespace layernas::core
