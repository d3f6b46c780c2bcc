// The engine is the only writer. Commands arrive from any thread. One thread takes all waiting
// commands and lets the core decide on each. Their changes are written in one synced batch, and
// only then are they answered (group commit). While the disk works, the next commands are already
// processed. Answered changes survive a power loss. If a write fails, the process exits, so no
// caller learns of anything that is not on the disk.
//
// The engine itself is the thread, the queue and the turn. SearchCommands has the commands of users
// and WorkerCommands those of workers. Dispatcher matches searches and workers. TurnRecorder turns
// changes into records.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "controller/engine/commit_pipeline.h"
#include "controller/engine/dispatcher.h"
#include "controller/engine/engine_state.h"
#include "controller/engine/executor.h"
#include "controller/engine/search_commands.h"
#include "controller/engine/store_clock.h"
#include "controller/engine/turn_recorder.h"
#include "controller/engine/views.h"
#include "controller/engine/watch_book.h"
#include "controller/engine/worker_commands.h"
#include "controller/metrics/metrics.h"
#include "controller/storage/store.h"

namespace layernas {

// Returns the configuration from a stored spec.
using SpecParser = std::function<absl::StatusOr<core::SearchConfig>(std::string_view spec)>;

// The executors and the committer that do an engine's work outside its turns. Members are destroyed
// in reverse order: each after the ones that post to it.
struct EngineThreads {
  std::unique_ptr<Executor> reader;
  std::unique_ptr<Executor> reclaimer;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<Executor> solver;
};

// Thread-safe. Every call with a Reply returns at once; the reply is called exactly once. Views
// show the state after the turn of the call.
class Engine {
 public:
  using PollId = layernas::PollId;
  using WatchId = WatchBook::WatchId;

  // Loads the searches of the store. Store, metrics and clock must outlive the engine.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(storage::Store& store, EngineOptions options,
                                                        const SpecParser& parse_spec, ControllerMetrics& metrics,
                                                        const Clock& clock);
  // Like Create(), but without its own thread: everything happens in TakeTurn() and where `threads`
  // run it. For callers that run the engine by hand, such as a simulator.
  static absl::StatusOr<std::unique_ptr<Engine>> CreateByHand(storage::Store& store, EngineOptions options,
                                                              const SpecParser& parse_spec, ControllerMetrics& metrics,
                                                              const Clock& clock, EngineThreads threads);
  // Drains, finishes queued commands, and joins. Without its own thread it ends at once.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Stops handing out tasks. Answers current and later polls and reads of changes with UNAVAILABLE,
  // and wakes all watches so that they notice. All other calls are still served.
  void Drain();

  // --- Calls of users

  void CreateSearch(NewSearch search, Reply<SearchView> reply);
  void GetSearch(std::string name, Reply<SearchView> reply);
  // Lists searches with ids below `before`, descending. A page holds fewer than `limit` if their
  // specs and results are large.
  void ListSearches(std::uint64_t before, std::size_t limit, Reply<Page<SearchView>> reply);
  void PauseSearch(std::string name, Reply<SearchView> reply);
  void ResumeSearch(std::string name, Reply<SearchView> reply);
  void CancelSearch(std::string name, Reply<SearchView> reply);
  void UpdateSearch(std::string name, SharingUpdate update, Reply<SearchView> reply);
  void DeleteSearch(std::string name, Reply<SearchView> reply);
  // Lists candidates with numbers above `after` in one of `states` (empty: any), ascending.
  void ListCandidates(std::string name, std::set<core::CandidateState> states, std::uint64_t after, std::size_t limit,
                      Reply<CandidatePage> reply);
  // Returns what the evaluator of an attempt wrote; 0: the latest attempt with a log. NOT_FOUND
  // says why there is no log.
  void GetTaskLog(std::string candidate, int attempt, Reply<TaskLogView> reply);
  // Returns the points with a higher cost than `above`, ascending.
  void GetFrontier(std::string name, double above, std::size_t limit, Reply<FrontierView> reply);
  // {0, 0}: the latest table. Returns NOT_FOUND if there is no table at that position.
  void GetBuckets(std::string name, core::Position position, Reply<BucketsView> reply);
  void ReadChanges(std::string name, std::uint64_t after, std::size_t limit, Reply<ChangesView> reply);
  // Calls `changed` after each commit that changed the search, until Unwatch() has returned.
  // `changed` must not block. Call ReadChanges() afterwards to get earlier changes.
  WatchId Watch(std::uint64_t search, std::function<void()> changed) {
    return watches_.Add(search, std::move(changed));
  }
  void Unwatch(WatchId watch) { watches_.Remove(watch); }
  // Lists workers with ids above `after`, ascending.
  void ListWorkers(std::string after, std::size_t limit, Reply<std::vector<WorkerView>> reply);

  // --- Calls of workers

  // Waits until there is work or the deadline has passed. The id is only for CancelPoll(), which
  // may be called after LeaseTasks() has returned.
  PollId LeaseTasks(LeaseRequest request, Reply<std::vector<LeasedTask>> reply);
  // The caller is gone: answers the poll if it still waits.
  void CancelPoll(PollId poll);
  // Answers with one verdict per lease.
  void Heartbeat(WorkerInfo worker, std::vector<HeldLease> leases, Reply<std::vector<LeaseVerdict>> reply);
  // Answers with one verdict per report.
  void CompleteTasks(WorkerId worker, std::vector<Report> reports, Reply<std::vector<core::CompletionVerdict>> reply);
  // `leaving`: the worker is going away and can be forgotten.
  void ReleaseTasks(WorkerId worker, std::vector<std::string> tokens, Reply<bool> reply, bool leaving = false);

  Millis lease_duration() const { return state_.options.lease_duration; }
  Millis heartbeat_interval() const { return state_.heartbeat_interval(); }

  // --- Running by hand

  // Processes all waiting commands and everything that is due, and passes the turn to the
  // committer. Only for an engine without its own thread.
  void TakeTurn();
  // The process paused for this long and has not yet read the calls that were made meanwhile. No
  // worker counts as silent until about a heartbeat interval from now. If pauses follow each other
  // in less than this time, only the first four have this effect, so that a dead worker's lease
  // ends; a later one adds only its own length. Ignores pauses shorter than a second or than half
  // an interval, whichever is longer, since leases outlive them.
  void StoodStill(Millis pause);
  // Returns whether commands wait.
  bool HasCommands() const;

 private:
  Engine(storage::Store& store, EngineOptions options, ControllerMetrics& metrics, const Clock& clock);
  void Start(EngineThreads threads);
  absl::Status Load(const SpecParser& parse_spec);
  void LoadSearch(storage::LoadedSearch loaded, const SpecParser& parse_spec);

  // May be called on any thread.
  void Submit(std::function<void()> command);

  // The following functions run only on the engine's thread.
  void Run();
  // Waits until there is something to do, and returns the commands of one turn, which may be none.
  // Returns nothing when it is time to stop.
  std::optional<std::vector<std::function<void()>>> NextCommands();
  void TakeTurn(const std::vector<std::function<void()>>& commands);
  // Waits for `changed_`, at most this long.
  void Wait(Millis longest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The shortest pause that StoodStill() does not ignore.
  Millis LongPause() const;
  // Calls StoodStill() with the time since the last check in which the engine did not wait. If this
  // is much longer than a turn, the process paused.
  void CheckPause();
  // Notes whether a write hangs. After it, delays silence: no call was answered meanwhile.
  void CheckDisk();
  // No worker counts as silent until about a heartbeat interval from now. Has no effect from the fifth
  // call on if the delays follow each other without a moment in which silence counts.
  void DelaySilence();
  // Reads the clocks.
  void TakeTime();
  // Takes over the time of the store.
  void NoteTime();
  void UpdateGauges();

  const Clock& clock_;
  std::optional<StoreClock> store_clock_;
  EngineState state_;
  WatchBook watches_;

  mutable Mutex mutex_;
  // Signalled when a command is queued while the engine is idle, when a write is done, and when it
  // is time to stop.
  CondVar changed_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<PollId> next_poll_{1};

  // Used only on the engine's thread.
  SteadyTime gauges_due_;
  SteadyTime storage_gauges_due_;
  // The open search whose metric series were updated last.
  std::uint64_t last_shown_ = 0;
  // Until then no worker counts as silent.
  SteadyTime silence_counts_from_;
  bool silence_noted_ = true;
  // Pauses since the one that began the delay.
  int pauses_in_delay_ = 0;
  // When the write in progress began, if it takes as long as a pause that is not ignored.
  std::optional<SteadyTime> hangs_since_;
  // By the machine's clock, whatever the engine's is: when it was last checked whether the process
  // paused, and how much of the time since then was spent on waiting. Unset without an own thread.
  std::optional<std::chrono::steady_clock::time_point> pause_checked_;
  std::chrono::steady_clock::duration waited_{0};

  // Constructed after the threads, and outlive them.
  std::optional<SearchCommands> search_commands_;
  std::optional<WorkerCommands> worker_commands_;
  std::optional<Dispatcher> dispatcher_;
  std::optional<TurnRecorder> recorder_;
  EngineThreads threads_;
  std::thread thread_;
};

}  // namespace layernas
