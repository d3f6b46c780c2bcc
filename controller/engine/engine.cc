#include "controller/engine/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "controller/engine/search_views.h"
#include "controller/engine/serial_executor.h"

namespace layernas {
namespace {

// Resolution of timeouts.
constexpr Millis kTick{100};
// If the time from one turn to the next, without waits, is longer than this, the process or its
// machine paused. Calls that were made meanwhile are still unread.
constexpr Millis kStall{1'000};
// Workers whose calls failed in the pause make them again within this time.
constexpr Millis kReconnect{2'000};
// How many pauses during the delay after a pause begin the delay again. With no limit, recurring
// pauses would keep a dead worker's leases for ever.
constexpr int kMaxPausesInDelay = 3;
constexpr Millis kGaugeInterval{200};
// Each search has about a hundred series. However many searches there are, only a few are updated
// at a time, in turn.
constexpr std::size_t kSearchesShownAtOnce = 8;
constexpr Millis kStorageGaugeInterval{1000};
// Maximum commands that share one write; this bounds the time to the first answer.
constexpr std::size_t kMaxCommandsPerTurn = 4096;
// During a write there is no hurry: commands are collected for this long, or until there are many.
constexpr Millis kCollect{1};
constexpr std::size_t kManyCommands = 64;
// Maximum turns processed ahead of the disk; this bounds the memory.
constexpr std::size_t kMaxUnwritten = 16;

// Returns why a search of this configuration cannot have these candidates; empty if it can.
std::string WhyBroken(const core::SearchConfig& config, const std::deque<core::Candidate>& candidates) {
  const auto& layers = config.space.layers;
  for (const core::Candidate& candidate : candidates) {
    bool fits = candidate.architecture.size() == layers.size();
    for (std::size_t i = 0; fits && i < layers.size(); ++i) fits = candidate.architecture[i] < layers[i].option_count;
    if (!fits) return absl::StrCat("its candidate ", candidate.number, " is not an architecture of its space");
  }
  return "";
}

// Returns the newest time in the searches, but at most `now`: the clock may have been ahead once.
UnixMillis NewestTime(const std::vector<storage::LoadedSearch>& searches, UnixMillis now) {
  if (searches.empty()) return now;
  UnixMillis newest = 0;
  for (const storage::LoadedSearch& one : searches) {
    newest = std::max({newest, one.search.created, one.search.started, one.search.ended});
    for (const core::Candidate& candidate : one.candidates) {
      newest = std::max({newest, candidate.created, candidate.started, candidate.ended});
    }
  }
  return now >= StoreClock::kPlausible ? std::min(newest, now) : newest;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(storage::Store& store, EngineOptions options,
                                                       const SpecParser& parse_spec, ControllerMetrics& metrics,
                                                       const Clock& clock) {
  std::unique_ptr<Engine> engine(new Engine(store, options, metrics, clock));
  EngineThreads threads;
  threads.reader = std::make_unique<SerialExecutor>();
  threads.reclaimer = std::make_unique<SerialExecutor>();
  threads.committer = std::make_unique<CommitPipeline>(store, metrics, clock, [raw = engine.get()] {
    { MutexLock lock(raw->mutex_); }
    raw->changed_.NotifyOne();
  });
  threads.solver = std::make_unique<SerialExecutor>();
  engine->Start(std::move(threads));
  LAYERNAS_RETURN_IF_ERROR(engine->Load(parse_spec));
  engine->thread_ = std::thread([raw = engine.get()] { raw->Run(); });
  return engine;
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::CreateByHand(storage::Store& store, EngineOptions options,
                                                             const SpecParser& parse_spec, ControllerMetrics& metrics,
                                                             const Clock& clock, EngineThreads threads) {
  std::unique_ptr<Engine> engine(new Engine(store, options, metrics, clock));
  engine->Start(std::move(threads));
  LAYERNAS_RETURN_IF_ERROR(engine->Load(parse_spec));
  return engine;
}

Engine::Engine(storage::Store& store, EngineOptions options, ControllerMetrics& metrics, const Clock& clock)
    : clock_(clock), state_(store, options, metrics) {}

Engine::~Engine() {
  if (!thread_.joinable()) return;
  Drain();
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  thread_.join();
  state_.store.StopReclaiming();
}

void Engine::Start(EngineThreads threads) {
  threads_ = std::move(threads);
  search_commands_.emplace(state_, *threads_.reader, *threads_.reclaimer);
  worker_commands_.emplace(state_);
  dispatcher_.emplace(state_, *threads_.solver, [this](std::function<void()> command) { Submit(std::move(command)); });
}

absl::Status Engine::Load(const SpecParser& parse_spec) {
  state_.now = clock_.NowOnBoth();
  LAYERNAS_ASSIGN_OR_RETURN(const std::uint64_t next_id, state_.store.NextSearchId());
  state_.searches.set_next_id(next_id);
  recorder_.emplace(state_);
  LAYERNAS_ASSIGN_OR_RETURN(state_.lineage, state_.store.Lineage());
  LAYERNAS_ASSIGN_OR_RETURN(state_.changes_base, state_.store.ChangesBase());
  LAYERNAS_ASSIGN_OR_RETURN(std::vector<storage::LoadedSearch> loaded, state_.store.LoadSearches());
  LAYERNAS_ASSIGN_OR_RETURN(std::optional<storage::StoreTime> last, state_.store.LastStoreTime());
  // An older version did not store it.
  if (!last) last = {NewestTime(loaded, state_.now.unix_ms), Millis{0}, Millis{0}};
  store_clock_.emplace(state_.now, *last);
  for (storage::LoadedSearch& one : loaded) LoadSearch(std::move(one), parse_spec);
  NoteTime();
  for (const auto& [id, entry] : state_.searches.open()) {
    // No worker could report before.
    entry->search->CheckTime(state_.now.unix_ms, state_.ClockSetSinceStart(*entry), /*silence_counts=*/false);
  }
  // Loading may take longer than a lease.
  TakeTime();
  for (const auto& [id, entry] : state_.searches.open()) {
    for (const core::Candidate& candidate : entry->search->candidates()) {
      if (candidate.state != core::CandidateState::kLeased) continue;
      // Its worker may still work on it, so the lease gets its full duration.
      state_.leases.Restore({id, candidate.number}, candidate.worker,
                            state_.now.steady + state_.options.lease_duration);
      state_.workers.Expect(candidate.worker, state_.now.steady);
    }
  }
  state_.workers_are_back_at = state_.now.steady + state_.heartbeat_interval() + kReconnect;
  log::Info("loaded", {{"searches", state_.searches.all().size()}, {"leases", state_.leases.size()}});
  return absl::OkStatus();
}

void Engine::LoadSearch(storage::LoadedSearch loaded, const SpecParser& parse_spec) {
  SearchEntry entry;
  entry.stored = std::move(loaded.search);
  entry.name = SearchName(entry.stored.slug, entry.id());
  entry.spec = std::make_shared<const std::string>(entry.stored.spec);
  entry.sequence = loaded.sequence;
  // An older version wrote times of a clock that may have been ahead.
  entry.stored.start_store_time = std::min(entry.stored.start_store_time, store_clock_->time().time);
  entry.stored.end_store_time = std::min(entry.stored.end_store_time, store_clock_->time().time);
  absl::StatusOr<core::SearchConfig> config = parse_spec(entry.stored.spec);
  entry.why_broken = config.ok() ? WhyBroken(*config, loaded.candidates) : std::string(config.status().message());
  if (!entry.why_broken.empty()) {
    // The other searches continue, and this one stays unchanged.
    log::Error("cannot continue a search", {{"search", entry.name}, {"why", entry.why_broken}});
    for (const core::Candidate& candidate : loaded.candidates) ++entry.broken_counts[candidate.state];
    state_.searches.Add(std::move(entry));
    return;
  }
  if (entry.stored.sharing) config->sharing = *entry.stored.sharing;
  const storage::StoredSearch& stored = entry.stored;
  entry.search = std::make_shared<core::Search>(*std::move(config),
                                                core::SearchStatus{stored.state, stored.state_reason, stored.created,
                                                                   stored.started, stored.ended, stored.searching_over},
                                                std::move(loaded.candidates));
  SearchEntry& added = state_.searches.Add(std::move(entry));
  state_.touched.insert(added.id());
}

void Engine::Submit(std::function<void()> command) {
  bool idle = false;
  {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(command));
    idle = idle_;
  }
  if (idle) changed_.NotifyOne();
}

void Engine::Run() {
  pause_checked_ = std::chrono::steady_clock::now();
  while (const auto commands = NextCommands()) TakeTurn(*commands);
}

void Engine::Wait(Millis longest) {
  const auto before = std::chrono::steady_clock::now();
  changed_.WaitFor(mutex_, longest);
  waited_ += std::min<std::chrono::steady_clock::duration>(std::chrono::steady_clock::now() - before, longest);
}

void Engine::CheckPause() {
  const auto now = std::chrono::steady_clock::now();
  const auto passed = now - *pause_checked_ - std::exchange(waited_, std::chrono::steady_clock::duration{0});
  pause_checked_ = now;
  StoodStill(std::chrono::duration_cast<Millis>(passed));
}

void Engine::CheckDisk() {
  std::optional<SteadyTime> since = threads_.committer->writing_since();
  if (since && state_.now.steady - *since < LongPause()) since.reset();
  const std::optional<SteadyTime> before = std::exchange(hangs_since_, since);
  // A disk that is always slow must not keep the leases of dead workers.
  if (pauses_in_delay_ >= kMaxPausesInDelay) {
    hangs_since_.reset();
  } else if (before && before != since) {
    log::Warning("the disk hung; workers that were silent meanwhile lose nothing");
    DelaySilence();
  }
}

void Engine::DelaySilence() {
  const SteadyTime heard_by = clock_.NowOnBoth().steady + state_.heartbeat_interval() + kReconnect;
  if (!std::exchange(silence_noted_, false)) ++pauses_in_delay_;
  if (pauses_in_delay_ <= kMaxPausesInDelay) silence_counts_from_ = std::max(silence_counts_from_, heard_by);
}

Millis Engine::LongPause() const { return std::max(kStall, state_.heartbeat_interval() / 2); }

void Engine::StoodStill(Millis pause) {
  // A lease outlives two missed heartbeats. However often pauses recur, silence is noted between two
  // such delays.
  if (pause < LongPause()) return;
  if (silence_noted_) {
    log::Warning("the controller stood still; workers that were silent meanwhile lose nothing",
                 {{"ms", pause.count()}});
  } else {
    // Calls can only be read while the process runs.
    silence_counts_from_ += pause;
  }
  // Workers whose calls failed in this pause, too, need the whole time again.
  DelaySilence();
}

std::optional<std::vector<std::function<void()>>> Engine::NextCommands() {
  MutexLock lock(mutex_);
  if (queue_.size() < kManyCommands && threads_.committer->unwritten() > 0) Wait(kCollect);
  // Not Wait(): a disk that keeps the engine from its turns makes it pause.
  while (threads_.committer->unwritten() >= kMaxUnwritten) changed_.WaitFor(mutex_, kTick);
  if (queue_.empty()) {
    if (stopping_) return std::nullopt;
    idle_ = true;
    Wait(kTick);
    idle_ = false;
  }
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), kMaxCommandsPerTurn));
  std::vector<std::function<void()>> commands(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return commands;
}

bool Engine::HasCommands() const {
  MutexLock lock(mutex_);
  return !queue_.empty();
}

void Engine::TakeTurn() {
  std::deque<std::function<void()>> taken;
  {
    MutexLock lock(mutex_);
    taken = std::exchange(queue_, {});
  }
  TakeTurn(
      std::vector<std::function<void()>>(std::make_move_iterator(taken.begin()), std::make_move_iterator(taken.end())));
}

void Engine::NoteTime() {
  state_.store_time = store_clock_->time();
  const bool counted = std::exchange(state_.machine_clock_counts, store_clock_->machine_counts());
  if (counted == state_.machine_clock_counts) return;
  state_.retimed.merge(state_.searches.AddTime(store_clock_->added()));
  state_.must_write_time = true;
}

void Engine::TakeTime() {
  state_.now = clock_.NowOnBoth();
  const bool counted = store_clock_->machine_counts();
  const Millis set = store_clock_->Advance(state_.now);
  NoteTime();
  if (set == Millis{0}) return;
  state_.must_write_time = true;
  log::Warning("the machine's clock was set; leases and budgets are not affected", {{"by_ms", set.count()}});
  // If the clock was wrong since the start of the engine, it is right now for earlier leases.
  state_.leases.ClockWasSet(set, counted);
}

void Engine::TakeTurn(const std::vector<std::function<void()>>& commands) {
  TakeTime();
  // After the time was read: a pause between the two readings is then noticed now, too.
  if (pause_checked_) CheckPause();
  CheckDisk();
  state_.silence_counts = state_.now.steady >= silence_counts_from_ && !hangs_since_;
  worker_commands_->RunTimers();
  search_commands_->RunTimers();
  for (const std::function<void()>& command : commands) command();
  if (state_.silence_counts) {
    worker_commands_->NoteSilence();
    silence_noted_ = true;
    pauses_in_delay_ = 0;
  }
  worker_commands_->EndShuns();
  dispatcher_->Run();

  Turn turn{recorder_->Collect(), {}, commands.size()};
  for (const std::function<void()>& look : std::exchange(state_.at_end, {})) look();
  turn.answers = std::exchange(state_.answers, {});
  state_.touched.merge(state_.deleted);
  if (!state_.touched.empty()) {
    turn.answers.push_back([this, changed = state_.touched] { watches_.Wake(changed); });
  }
  state_.touched.clear();
  state_.deleted.clear();
  // Answers are posted even without a write: they may depend on an earlier turn that is not written
  // yet.
  if (!turn.batch.empty() || !turn.answers.empty()) threads_.committer->Post(std::move(turn));
  if (!commands.empty()) {
    state_.metrics.engine_turn_seconds.Observe(std::chrono::duration<double>(clock_.Now() - state_.now.steady).count());
  }
  UpdateGauges();
}

void Engine::UpdateGauges() {
  if (state_.now.steady < gauges_due_) return;
  gauges_due_ = state_.now.steady + kGaugeInterval;
  ControllerMetrics& metrics = state_.metrics;
  EngineFigures figures;
  for (const auto& [id, entry] : state_.searches.all()) {
    ++figures.searches[entry.state()];
    if (!entry.IsOpen()) continue;
    for (int state = 1; state <= static_cast<int>(core::CandidateState::kStopped); ++state) {
      const auto candidate_state = static_cast<core::CandidateState>(state);
      figures.candidates[candidate_state] += entry.search->CountOf(candidate_state);
    }
  }
  for (const Dispatcher::Row& row : dispatcher_->table()) {
    if (!row.entry->IsOpen()) continue;
    figures.ready += row.ready;
    figures.wanted[row.require()] += row.ready + row.running;
  }
  figures.leased = state_.leases.size();
  figures.workers = state_.workers.workers().size();
  for (const auto& [id, worker] : state_.workers.workers()) figures.slots += worker.info.slots;
  figures.shunned = state_.workers.shunned();
  figures.parked_polls = state_.polls.size();
  metrics.Show(figures);
  const auto& open = state_.searches.open();
  for (std::size_t i = 0; i < std::min(kSearchesShownAtOnce, open.size()); ++i) {
    auto next = open.upper_bound(last_shown_);
    if (next == open.end()) next = open.begin();
    last_shown_ = next->first;
    const SearchEntry& entry = *next->second;
    metrics.searches().Set(entry.name, *entry.search, Waits(*entry.search, state_.workers));
  }
  if (state_.now.steady >= storage_gauges_due_) {
    storage_gauges_due_ = state_.now.steady + kStorageGaugeInterval;
    const storage::Store::Figures stored = state_.store.MeasureFigures();
    metrics.storage_table_bytes.Set(static_cast<double>(stored.table_bytes));
    metrics.storage_memory_bytes.Set(static_cast<double>(stored.memory_bytes));
    metrics.storage_compaction_pending_bytes.Set(static_cast<double>(stored.compaction_pending_bytes));
    metrics.storage_free_bytes.Set(static_cast<double>(stored.free_bytes));
  }
  metrics.storage_syncs.Increment(static_cast<double>(state_.store.syncs()) - metrics.storage_syncs.Value());
}

void Engine::Drain() {
  Submit([this] {
    state_.draining = true;
    state_.must_write_time = true;
    dispatcher_->CancelWork();
    for (Poll& poll : state_.polls.Clear()) {
      state_.Answer<std::vector<LeasedTask>>(std::move(poll.reply), Draining());
    }
    state_.answers.push_back([this] { watches_.WakeAll(); });
  });
}

// --- Calls of users

void Engine::CreateSearch(NewSearch search, Reply<SearchView> reply) {
  Submit([this, search = std::move(search), reply = std::move(reply)] { search_commands_->Create(search, reply); });
}

void Engine::GetSearch(std::string name, Reply<SearchView> reply) {
  Submit([this, name = std::move(name), reply = std::move(reply)] { search_commands_->Get(name, reply); });
}

void Engine::ListSearches(std::uint64_t before, std::size_t limit, Reply<Page<SearchView>> reply) {
  Submit([this, before, limit, reply = std::move(reply)] { search_commands_->List(before, limit, reply); });
}

void Engine::PauseSearch(std::string name, Reply<SearchView> reply) {
  Submit([this, name = std::move(name), reply = std::move(reply)] {
    search_commands_->Change(name, reply, [](core::Search& search) { return search.Pause(); });
  });
}

void Engine::ResumeSearch(std::string name, Reply<SearchView> reply) {
  Submit([this, name = std::move(name), reply = std::move(reply)] {
    search_commands_->Change(name, reply, [this](core::Search& search) { return search.Resume(state_.now.unix_ms); });
  });
}

void Engine::CancelSearch(std::string name, Reply<SearchView> reply) {
  Submit([this, name = std::move(name), reply = std::move(reply)] {
    search_commands_->Change(name, reply, [this](core::Search& search) { return search.Cancel(state_.now.unix_ms); });
  });
}

void Engine::UpdateSearch(std::string name, SharingUpdate update, Reply<SearchView> reply) {
  Submit([this, name = std::move(name), update, reply = std::move(reply)] {
    search_commands_->Change(name, reply, [update](core::Search& search) {
      core::Sharing sharing = search.sharing();
      sharing.weight = update.weight.value_or(sharing.weight);
      sharing.priority = update.priority.value_or(sharing.priority);
      sharing.max_running = update.max_running.value_or(sharing.max_running);
      return search.Share(sharing);
    });
  });
}

void Engine::DeleteSearch(std::string name, Reply<SearchView> reply) {
  Submit([this, name = std::move(name), reply = std::move(reply)] { search_commands_->Delete(name, reply); });
}

void Engine::ListCandidates(std::string name, std::set<core::CandidateState> states, std::uint64_t after,
                            std::size_t limit, Reply<CandidatePage> reply) {
  Submit([this, name = std::move(name), states = std::move(states), after, limit, reply = std::move(reply)] {
    search_commands_->ListCandidates(name, states, after, limit, reply);
  });
}

void Engine::GetTaskLog(std::string candidate, int attempt, Reply<TaskLogView> reply) {
  Submit([this, candidate = std::move(candidate), attempt, reply = std::move(reply)] {
    search_commands_->GetTaskLog(candidate, attempt, reply);
  });
}

void Engine::GetFrontier(std::string name, double above, std::size_t limit, Reply<FrontierView> reply) {
  Submit([this, name = std::move(name), above, limit, reply = std::move(reply)] {
    search_commands_->GetFrontier(name, above, limit, reply);
  });
}

void Engine::GetBuckets(std::string name, core::Position position, Reply<BucketsView> reply) {
  Submit([this, name = std::move(name), position, reply = std::move(reply)] {
    search_commands_->GetBuckets(name, position, reply);
  });
}

void Engine::ReadChanges(std::string name, std::uint64_t after, std::size_t limit, Reply<ChangesView> reply) {
  Submit([this, name = std::move(name), after, limit, reply = std::move(reply)] {
    search_commands_->ReadChanges(name, after, limit, reply);
  });
}

void Engine::ListWorkers(std::string after, std::size_t limit, Reply<std::vector<WorkerView>> reply) {
  Submit([this, after = std::move(after), limit, reply = std::move(reply)] {
    worker_commands_->ListWorkers(after, limit, reply);
  });
}

// --- Calls of workers

Engine::PollId Engine::LeaseTasks(LeaseRequest request, Reply<std::vector<LeasedTask>> reply) {
  const PollId id = next_poll_++;
  Submit([this, id, request = std::move(request), reply = std::move(reply)]() mutable {
    worker_commands_->LeaseTasks(id, std::move(request), std::move(reply));
  });
  return id;
}

void Engine::CancelPoll(PollId poll) {
  Submit([this, poll] { worker_commands_->CancelPoll(poll); });
}

void Engine::Heartbeat(WorkerInfo worker, std::vector<HeldLease> leases, Reply<std::vector<LeaseVerdict>> reply) {
  Submit([this, worker = std::move(worker), leases = std::move(leases), reply = std::move(reply)] {
    worker_commands_->Heartbeat(worker, leases, reply);
  });
}

void Engine::CompleteTasks(WorkerId worker, std::vector<Report> reports,
                           Reply<std::vector<core::CompletionVerdict>> reply) {
  Submit([this, worker = std::move(worker), reports = std::move(reports), reply = std::move(reply)]() mutable {
    worker_commands_->CompleteTasks(worker, std::move(reports), reply);
  });
}

void Engine::ReleaseTasks(WorkerId worker, std::vector<std::string> tokens, Reply<bool> reply, bool leaving) {
  Submit([this, worker = std::move(worker), tokens = std::move(tokens), leaving, reply = std::move(reply)] {
    worker_commands_->ReleaseTasks(worker, tokens, leaving, reply);
  });
}

}  // namespace layernas
