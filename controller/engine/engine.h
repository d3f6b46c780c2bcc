// The one writer. Commands come in from any thread; one thread takes all that wait and lets the core decide on each;
// what they change is written in one synced batch, and only then are they answered (group commit). While the disk works
// the next commands are decided on already. What was answered survives power loss; if a write fails the process ends,
// so that nobody hears of what the disk does not know.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "controller/core/search.h"
#include "controller/engine/commit_pipeline.h"
#include "controller/engine/lease_book.h"
#include "controller/engine/poll_book.h"
#include "controller/engine/serial_executor.h"
#include "controller/engine/views.h"
#include "controller/engine/worker_book.h"
#include "controller/metrics/metrics.h"
#include "controller/storage/store.h"

namespace layernas {

// The configuration in a stored spec.
using SpecParser = std::function<absl::StatusOr<core::SearchConfig>(std::string_view spec)>;

struct EngineOptions {
  // How long a worker may be silent before its candidates go to others. Workers are told to call three times in it.
  Millis lease_duration{30'000};
  // Changes kept per search, for watches to go on from; at least 1,000 more are kept before they are trimmed.
  std::uint64_t kept_changes = 10'000;
  // Candidates per search whose logs are kept, the latest; at least 100 more are kept before they are trimmed.
  std::uint64_t kept_logs = 1'000;
  // Of each, attempts whose logs are kept, the latest.
  int kept_attempt_logs = 5;
  // How long a search is kept after its end; 0 = until someone deletes it.
  Millis retention{0};
};

// Thread-safe. Every call with a Reply returns at once; the reply is called exactly once. Views show how things stand
// after the turn that the call was part of.
class Engine {
 public:
  using PollId = layernas::PollId;
  using WatchId = std::uint64_t;

  // Loads the store's searches. Store, metrics and clock must outlive the engine.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(storage::Store& store, EngineOptions options,
                                                        const SpecParser& parse_spec, ControllerMetrics& metrics,
                                                        const Clock& clock);
  // Drains, finishes what was queued, joins.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Hands nothing out any more: answers polls, parked or to come, and reads of changes with UNAVAILABLE, and wakes all
  // watches so that they find out. Everything else is still served.
  void Drain();

  // --- For people

  void CreateSearch(NewSearch search, Reply<SearchView> reply);
  void GetSearch(std::string name, Reply<SearchView> reply);
  // Ids below `before`, descending.
  void ListSearches(std::uint64_t before, std::size_t limit, Reply<Page<SearchView>> reply);
  void PauseSearch(std::string name, Reply<SearchView> reply);
  void ResumeSearch(std::string name, Reply<SearchView> reply);
  void CancelSearch(std::string name, Reply<SearchView> reply);
  void UpdateSearch(std::string name, SharingUpdate update, Reply<SearchView> reply);
  void DeleteSearch(std::string name, Reply<SearchView> reply);
  // Numbers above `after` in one of `states` (none given: any), ascending.
  void ListCandidates(std::string name, std::set<core::CandidateState> states, std::uint64_t after, std::size_t limit,
                      Reply<CandidatePage> reply);
  // What the evaluator of an attempt (0: of the latest that has a log) wrote. NOT_FOUND says why there is nothing.
  void GetTaskLog(std::string candidate, int attempt, Reply<TaskLogView> reply);
  // The points of higher cost than `above`, ascending.
  void GetFrontier(std::string name, double above, std::size_t limit, Reply<FrontierView> reply);
  // {0, 0}: the latest table. NOT_FOUND if there is none at that position.
  void GetBuckets(std::string name, core::Position position, Reply<BucketsView> reply);
  void ReadChanges(std::string name, std::uint64_t after, std::size_t limit, Reply<ChangesView> reply);
  // Calls `changed` after each commit that changed the search, until Unwatch() has returned; must not block. To be
  // followed by ReadChanges(), for what came before.
  WatchId Watch(std::uint64_t search, std::function<void()> changed);
  void Unwatch(WatchId watch);
  // Ids above `after`, ascending.
  void ListWorkers(std::string after, std::size_t limit, Reply<std::vector<WorkerView>> reply);

  // --- For workers

  // Parks until there is work or the deadline. The id is for CancelPoll alone, which may be called once LeaseTasks
  // returned.
  PollId LeaseTasks(LeaseRequest request, Reply<std::vector<LeasedTask>> reply);
  // The caller is gone: answers the poll if it is parked still.
  void CancelPoll(PollId poll);
  // True per lease: go on.
  void Heartbeat(WorkerInfo worker, std::vector<HeldLease> leases, Reply<std::vector<bool>> reply);
  void CompleteTasks(std::string worker, std::vector<Report> reports,
                     Reply<std::vector<core::CompletionVerdict>> reply);
  void ReleaseTasks(std::string worker, std::vector<std::string> tokens, Reply<bool> reply);

  Millis lease_duration() const { return options_.lease_duration; }
  Millis heartbeat_interval() const { return options_.lease_duration / 3; }

 private:
  struct Entry {
    storage::StoredSearch stored;
    std::string name;
    std::shared_ptr<const std::string> spec;
    // Shared with work under way beside the engine, which may outlive the entry.
    std::shared_ptr<core::Search> search;
    std::uint64_t sequence = 0;
    // Of the oldest change that was not trimmed; 0 after a restart: the next trimming finds it out.
    std::uint64_t first_kept = 0;
    // Of the oldest candidate whose log was not trimmed; 1 after a restart: the next trimming begins anew.
    std::uint64_t first_logged = 1;
    // Those whose evaluator failed since one succeeded anywhere; at most two. A lost worker says nothing of the search.
    std::set<std::string> failing_workers;
  };
  // A search that has tasks of a kind for polls, in one round of dispatching.
  struct Offer {
    Entry* entry = nullptr;
    core::TaskKind kind = core::TaskKind::kEvaluate;
    // Polls up to this one have been offered all that it has for them.
    PollId passed = 0;
  };

  Engine(storage::Store& store, EngineOptions options, ControllerMetrics& metrics, const Clock& clock);
  absl::Status Load(const SpecParser& parse_spec);

  // From any thread.
  void Submit(std::function<void()> command);

  // All below: the engine's thread alone.
  void Run();
  // Waits until there is something to do, and returns the commands to be done in one turn; may be none. Nothing: time
  // to stop.
  std::optional<std::vector<std::function<void()>>> NextCommands();
  void TakeTurn(const std::vector<std::function<void()>>& commands);
  // Takes the time. Where the machine's clock was set since the last turn, the time that searches may take is not
  // changed by it.
  void TakeTime();
  // Expired leases, searches whose time is up, polls and workers past their time.
  void RunTimers();
  // Removes what has ended longer ago than it is to be kept.
  void DeleteOldSearches();
  // Removes an ended search and all its data.
  void Remove(Entry& entry);
  // Answers the polls, oldest first, that there is work for.
  void Dispatch();
  // Says which searches compete for the fleet from now on.
  void Compete();
  // Leases up to the poll's max_tasks, and strikes out or marks the offers that have nothing more for it.
  std::vector<LeasedTask> TasksFor(const Poll& poll, std::vector<Offer>& offers);
  // Has proposals computed for polls that found none, beside this thread.
  void StartWork();
  // Of the offers that the poll may take, that of the search whose turn it is. offers.end() if there is none.
  std::vector<Offer>::iterator OfferFor(const Poll& poll, std::vector<Offer>& offers) const;
  // Gives the candidate, just leased, the result of another search's if there is one. True if it did.
  bool ReuseResult(Entry& entry, const core::Candidate& candidate);
  LeasedTask MakeTask(const Entry& entry, const core::Candidate& candidate) const;
  // Moves the changes of the touched searches to the batch, and leaves in touched_ those that have any.
  storage::Batch CollectChanges();
  // False if there are none.
  bool CollectChangesOf(Entry& entry, storage::Batch& batch);
  // Moves the logs that came in this turn to the batch, and removes old ones.
  void CollectLogs(storage::Batch& batch);
  void UpdateGauges();
  // From any thread.
  void WakeWatches(const std::set<std::uint64_t>& searches);

  // Once this turn is written: calls reply with the value.
  template <typename T>
  void Answer(Reply<T> reply, absl::StatusOr<T> value);
  // Submits a command on the search of that name.
  template <typename T>
  void OnSearch(std::string name, Reply<T> reply, std::function<absl::StatusOr<T>(Entry&)> command);
  // As OnSearch, but for a command that may change the search; the answer is the search after this turn.
  void ChangeSearch(std::string name, Reply<SearchView> reply, std::function<absl::Status(Entry&)> command);
  void AnswerWithView(Reply<SearchView> reply, std::uint64_t id);
  // As OnSearch; `read` gets the search's view after this turn, on the reading thread, once that is written.
  template <typename T>
  void ReadSearch(std::string name, Reply<T> reply,
                  std::function<absl::StatusOr<T>(std::uint64_t id, SearchView view)> read);
  // Calls `answer` with the search after this turn; null if it was deleted.
  void AtEndOfTurn(std::uint64_t id, std::function<void(const Entry* entry)> answer);
  absl::StatusOr<Entry*> Find(const std::string& name);
  // What the same request was given before, if its answer got lost; each lease has its full time again.
  std::vector<LeasedTask> LeasedBefore(const LeaseRequest& request);
  // What a heartbeat says of the candidate's current lease. False if its training is hopeless, and stopped thereby.
  bool NoteProgress(Entry& entry, const LeaseToken& token, const TaskProgress& progress);
  // An attempt is used up for each that its search has still.
  void ExpireLeases(const std::vector<LeaseBook::Key>& leases, const std::string& why);
  // A heartbeat lists all leases that a worker holds: what is missing has nobody who works on it.
  void ExpireUnlisted(const std::string& worker, const std::vector<HeldLease>& listed);
  // An attempt failed on the worker: shuns it if that happens again and again, and to no other.
  void Blame(Entry& entry, const std::string& worker, core::TaskKind kind, const std::string& why);
  // The current lease that a token stands for, if its search is there and it is of this store's lineage.
  std::pair<Entry*, LeaseToken> FindLease(const std::string& token);

  SearchView MakeView(const Entry& entry) const;
  std::string WaitingFor(const core::Search& search) const;
  std::string WaitingFor(const std::map<std::string, std::string>& require) const;
  // Of a candidate that was a first training and has a result.
  static PointView MakePoint(const core::Search& search, std::uint64_t number);
  static WinnerView MakeWinner(const core::Search& search, std::uint64_t number);
  static std::vector<BucketView> MakeBuckets(const core::Search& search, const core::StageTable& table);

  storage::Store& store_;
  const EngineOptions options_;
  ControllerMetrics& metrics_;
  const Clock& clock_;

  Mutex mutex_;
  // Something is in the queue of an idle engine, a write is done, or it's time to stop.
  CondVar changed_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<PollId> next_poll_{1};

  Mutex watch_mutex_;
  // By search.
  std::map<std::uint64_t, std::map<WatchId, std::function<void()>>> watches_ ABSL_GUARDED_BY(watch_mutex_);
  WatchId next_watch_ ABSL_GUARDED_BY(watch_mutex_) = 1;

  // The engine's thread alone.
  bool draining_ = false;
  Instant now_;
  // Of the store; goes into every lease token.
  std::uint64_t lineage_ = 0;
  // Never given twice, not even after the search was deleted.
  std::uint64_t next_search_id_ = 1;
  std::uint64_t stored_next_search_id_ = 1;
  std::map<std::uint64_t, Entry> searches_;
  // Those that have not ended.
  std::map<std::uint64_t, Entry*> open_searches_;
  std::map<std::string, std::uint64_t> search_of_request_;
  // Searches by their evaluation key: those that can use each other's results.
  std::map<std::string, std::set<std::uint64_t>> same_evaluation_;
  core::FairShare shares_;
  // Searches that this turn may have changed (after CollectChanges: has changed), and those to be removed with it.
  std::set<std::uint64_t> touched_;
  std::set<std::uint64_t> deleted_;
  // That came in this turn.
  std::vector<std::pair<storage::LogKey, storage::StoredLog>> new_logs_;
  // Searches whose record is to be written because the clock was set.
  std::vector<std::uint64_t> clock_set_;
  LeaseBook leases_;
  WorkerBook workers_;
  PollBook polls_;
  // Of this turn: what is to be looked at when it is over, and the answers.
  std::vector<std::function<void()>> at_end_;
  std::vector<std::function<void()>> answers_;
  SteadyTime gauges_due_;
  SteadyTime storage_gauges_due_;
  // The open search whose series were brought up to date last.
  std::uint64_t last_shown_ = 0;
  SteadyTime old_searches_due_;
  // By how much the machine's clock was set, in all.
  Millis clock_ahead_{0};

  // In the order in which they hand on to each other; destroyed in reverse, each after what hands on to it.
  SerialExecutor reader_;
  SerialExecutor reclaimer_;
  CommitPipeline pipeline_;
  SerialExecutor solver_;
  std::thread thread_;
};

}  // namespace layernas
