// The one writer. Commands come in from any thread; one thread takes all that wait and lets the core decide on each;
// what they change is written in one synced batch, and only then are they answered (group commit). While the disk works
// the next commands are decided on already. What was answered survives power loss; if a write fails the process ends,
// so that nobody hears of what the disk does not know.
//
// The engine itself is the thread, the queue and the turn. The commands are SearchCommands (people's) and
// WorkerCommands (workers'); Dispatcher brings searches and workers together; TurnRecorder turns what has changed into
// records.
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
#include "controller/engine/turn_recorder.h"
#include "controller/engine/views.h"
#include "controller/engine/watch_book.h"
#include "controller/engine/worker_commands.h"
#include "controller/metrics/metrics.h"
#include "controller/storage/store.h"

namespace layernas {

// The configuration in a stored spec.
using SpecParser = std::function<absl::StatusOr<core::SearchConfig>(std::string_view spec)>;

// What an engine's work runs on besides its own turns. Destroyed in reverse order, each after what hands on to it.
struct EngineThreads {
  std::unique_ptr<Executor> reader;
  std::unique_ptr<Executor> reclaimer;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<Executor> solver;
};

// Thread-safe. Every call with a Reply returns at once; the reply is called exactly once. Views show how things stand
// after the turn that the call was part of.
class Engine {
 public:
  using PollId = layernas::PollId;
  using WatchId = WatchBook::WatchId;

  // Loads the store's searches. Store, metrics and clock must outlive the engine.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(storage::Store& store, EngineOptions options,
                                                        const SpecParser& parse_spec, ControllerMetrics& metrics,
                                                        const Clock& clock);
  // As Create(), but with no thread of its own: everything happens in TakeTurn() and where `threads` run it. For
  // whoever runs the engine by hand, such as a simulator.
  static absl::StatusOr<std::unique_ptr<Engine>> CreateByHand(storage::Store& store, EngineOptions options,
                                                              const SpecParser& parse_spec, ControllerMetrics& metrics,
                                                              const Clock& clock, EngineThreads threads);
  // Drains, finishes what was queued, joins. Without a thread of its own: ends at once.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Hands nothing out any more: answers polls, parked or to come, and reads of changes with UNAVAILABLE, and wakes all
  // watches so that they find out. Everything else is still served.
  void Drain();

  // --- For people

  void CreateSearch(NewSearch search, Reply<SearchView> reply);
  void GetSearch(std::string name, Reply<SearchView> reply);
  // Ids below `before`, descending. A page holds fewer than `limit` where their specs and results are large.
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
  WatchId Watch(std::uint64_t search, std::function<void()> changed) {
    return watches_.Add(search, std::move(changed));
  }
  void Unwatch(WatchId watch) { watches_.Remove(watch); }
  // Ids above `after`, ascending.
  void ListWorkers(std::string after, std::size_t limit, Reply<std::vector<WorkerView>> reply);

  // --- For workers

  // Parks until there is work or the deadline. The id is for CancelPoll alone, which may be called once LeaseTasks
  // returned.
  PollId LeaseTasks(LeaseRequest request, Reply<std::vector<LeasedTask>> reply);
  // The caller is gone: answers the poll if it is parked still.
  void CancelPoll(PollId poll);
  // A verdict per lease.
  void Heartbeat(WorkerInfo worker, std::vector<HeldLease> leases, Reply<std::vector<LeaseVerdict>> reply);
  // A verdict per report.
  void CompleteTasks(WorkerId worker, std::vector<Report> reports, Reply<std::vector<core::CompletionVerdict>> reply);
  // `leaving`: the worker goes away and can be forgotten.
  void ReleaseTasks(WorkerId worker, std::vector<std::string> tokens, Reply<bool> reply, bool leaving = false);

  Millis lease_duration() const { return state_.options.lease_duration; }
  Millis heartbeat_interval() const { return state_.heartbeat_interval(); }

  // --- By hand

  // Does all commands that wait, and what the time has brought; hands the turn to the committer. Only for an engine
  // without a thread of its own.
  void TakeTurn();
  // Calls of workers have waited for longer than a turn, as after a pause of the machine: says nothing of silence until
  // they are read.
  void StoodStill();
  // Whether commands wait.
  bool HasCommands() const;

 private:
  Engine(storage::Store& store, EngineOptions options, ControllerMetrics& metrics, const Clock& clock);
  void Start(EngineThreads threads);
  absl::Status Load(const SpecParser& parse_spec);
  void LoadSearch(storage::LoadedSearch loaded, const SpecParser& parse_spec);

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
  void UpdateGauges();

  const Clock& clock_;
  EngineState state_;
  WatchBook watches_;

  mutable Mutex mutex_;
  // Something is in the queue of an idle engine, a write is done, or it's time to stop.
  CondVar changed_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<PollId> next_poll_{1};

  // The engine's thread alone.
  SteadyTime gauges_due_;
  SteadyTime storage_gauges_due_;
  // The open search whose series were brought up to date last.
  std::uint64_t last_shown_ = 0;
  // By how much the machine's clock was set, in all.
  Millis clock_ahead_{0};
  // Before that nobody counts as silent.
  SteadyTime silence_counts_from_;

  // Made once there are threads, and outlive them.
  std::optional<SearchCommands> search_commands_;
  std::optional<WorkerCommands> worker_commands_;
  std::optional<Dispatcher> dispatcher_;
  std::optional<TurnRecorder> recorder_;
  EngineThreads threads_;
  std::thread thread_;
};

}  // namespace layernas
