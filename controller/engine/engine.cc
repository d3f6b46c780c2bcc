#include "controller/engine/engine.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "controller/engine/engine_replies.h"

namespace layernas {
namespace {

// The resolution of time-outs.
constexpr Millis kTick{100};
constexpr Millis kGaugeInterval{200};
// Each search has a hundred series or so: some are shown anew at a time, in turn, however many there are.
constexpr std::size_t kSearchesShownAtOnce = 8;
constexpr Millis kStorageGaugeInterval{1000};
// By less the clocks may differ without anybody having set one: the two are not read at the same moment, and one is
// kept right by small steps.
constexpr Millis kClockSet{2'000};
// Commands that share one write at most: bounds the time to the first answer.
constexpr std::size_t kMostCommandsPerTurn = 4096;
// While a write is under way nothing is gained by haste: commands are collected for so long, or until there are many.
constexpr Millis kCollect{1};
constexpr std::size_t kManyCommands = 64;
// Turns decided on ahead of the disk: bounds what waits in memory.
constexpr std::size_t kMostUnwritten = 16;
// Proposals computed in one go at most: bounds the time until the first of them can be used.
constexpr std::size_t kMostProposalsAtOnce = 16;
// Of the tasks in one answer, each of which may be as large as its search's spec. Half of what a message may hold.
constexpr std::size_t kMostTaskBytes = 8 << 20;
// Sets the seeds of trainings in full apart from all others.
constexpr std::uint64_t kFinalSeeds = 0xf1a1;
// Results taken from other searches for one poll: bounds the time of a turn.
constexpr std::size_t kMostReused = 256;

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(storage::Store& store, EngineOptions options,
                                                       const SpecParser& parse_spec, ControllerMetrics& metrics,
                                                       const Clock& clock) {
  std::unique_ptr<Engine> engine(new Engine(store, options, metrics, clock));
  LAYERNAS_RETURN_IF_ERROR(engine->Load(parse_spec));
  engine->thread_ = std::thread([raw = engine.get()] { raw->Run(); });
  return engine;
}

Engine::Engine(storage::Store& store, EngineOptions options, ControllerMetrics& metrics, const Clock& clock)
    : store_(store), options_(options), metrics_(metrics), clock_(clock), pipeline_(store, metrics, clock, [this] {
        { MutexLock lock(mutex_); }
        changed_.NotifyOne();
      }) {}

Engine::~Engine() {
  if (!thread_.joinable()) return;
  Drain();
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  thread_.join();
  store_.StopReclaiming();
}

absl::Status Engine::Load(const SpecParser& parse_spec) {
  now_ = clock_.NowOnBoth();
  LAYERNAS_ASSIGN_OR_RETURN(next_search_id_, store_.NextSearchId());
  stored_next_search_id_ = next_search_id_;
  LAYERNAS_ASSIGN_OR_RETURN(lineage_, store_.Lineage());
  LAYERNAS_ASSIGN_OR_RETURN(std::vector<storage::LoadedSearch> loaded, store_.LoadSearches());
  for (storage::LoadedSearch& one : loaded) {
    const std::uint64_t id = one.search.id;
    const std::string name = SearchName(one.search.slug, id);
    absl::StatusOr<core::SearchConfig> config = parse_spec(one.search.spec);
    if (!config.ok()) return absl::Status(config.status().code(), absl::StrCat(name, ": ", config.status().message()));
    if (one.search.sharing) config->sharing = *one.search.sharing;
    same_evaluation_[config->evaluation_key].insert(id);
    Entry& entry = searches_[id];
    entry.name = name;
    entry.spec = std::make_shared<const std::string>(one.search.spec);
    entry.sequence = one.sequence;
    entry.search = std::make_shared<core::Search>(*std::move(config), one.search.state, one.search.state_reason,
                                                  one.search.created, one.search.ended, std::move(one.candidates));
    if (!one.search.request_id.empty()) search_of_request_[one.search.request_id] = id;
    entry.stored = std::move(one.search);
    if (!core::IsFinal(entry.search->state())) open_searches_[id] = &entry;
    for (const core::Candidate& candidate : entry.search->candidates()) {
      if (candidate.state != core::CandidateState::kLeased) continue;
      // Its worker may well be at it: a fresh, full time-out.
      leases_.Set({id, candidate.number}, candidate.worker, now_.steady + options_.lease_duration);
    }
  }
  log::Info("loaded", {{"searches", searches_.size()}, {"leases", leases_.size()}});
  return absl::OkStatus();
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
  while (const auto commands = NextCommands()) TakeTurn(*commands);
}

std::optional<std::vector<std::function<void()>>> Engine::NextCommands() {
  MutexLock lock(mutex_);
  if (queue_.size() < kManyCommands && pipeline_.unwritten() > 0) changed_.WaitFor(mutex_, kCollect);
  while (pipeline_.unwritten() >= kMostUnwritten) changed_.WaitFor(mutex_, kTick);
  if (queue_.empty()) {
    if (stopping_) return std::nullopt;
    idle_ = true;
    changed_.WaitFor(mutex_, kTick);
    idle_ = false;
  }
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), kMostCommandsPerTurn));
  std::vector<std::function<void()>> commands(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return commands;
}

void Engine::TakeTime() {
  const Instant before = std::exchange(now_, clock_.NowOnBoth());
  const Millis set =
      Millis{now_.unix_ms - before.unix_ms} - std::chrono::duration_cast<Millis>(now_.steady - before.steady);
  if (std::chrono::abs(set) < kClockSet) return;
  clock_ahead_ += set;
  log::Warning("the machine's clock was set; leases and budgets don't mind", {{"by_ms", set.count()}});
  for (const auto& [id, entry] : open_searches_) {
    if (entry->search->config().duration.count() == 0) continue;
    entry->stored.clock_set += set;
    clock_set_.push_back(id);
  }
}

void Engine::TakeTurn(const std::vector<std::function<void()>>& commands) {
  TakeTime();
  RunTimers();
  for (const std::function<void()>& command : commands) command();
  shares_.Advance(now_.steady);
  Dispatch();
  Compete();
  StartWork();

  Turn turn{CollectChanges(), {}, commands.size()};
  for (const std::function<void()>& look : std::exchange(at_end_, {})) look();
  turn.answers = std::exchange(answers_, {});
  touched_.merge(deleted_);
  if (!touched_.empty()) turn.answers.push_back([this, changed = touched_] { WakeWatches(changed); });
  touched_.clear();
  deleted_.clear();
  // Also without a write: what is answered may be owed to a turn that is not written yet.
  if (!turn.batch.empty() || !turn.answers.empty()) pipeline_.Post(std::move(turn));
  if (!commands.empty()) {
    metrics_.engine_turn_seconds.Observe(std::chrono::duration<double>(clock_.Now() - now_.steady).count());
  }
  UpdateGauges();
}

void Engine::RunTimers() {
  ExpireLeases(leases_.Expired(now_.steady), "nothing was heard from the worker");
  for (const std::string& worker : workers_.EndShuns(now_.steady)) polls_.LetIn(worker);
  for (const auto& [id, entry] : open_searches_) {
    if (entry->search->config().duration.count() == 0) continue;
    entry->search->CheckTime(now_.unix_ms, entry->stored.clock_set);
    touched_.insert(id);
  }
  DeleteOldSearches();
  for (const PollId id : polls_.Expired(now_.steady)) {
    Poll poll = *polls_.Take(id);
    // It was there until now.
    workers_.Hear(poll.request.worker, now_.steady);
    Answer<std::vector<LeasedTask>>(std::move(poll.reply), std::vector<LeasedTask>());
  }
  const Millis forget_after = std::max(3 * options_.lease_duration, Millis{60'000});
  workers_.Forget(now_.steady - forget_after, now_.steady, [this](const std::string& id) { return polls_.Waits(id); });
}

void Engine::Dispatch() {
  if (polls_.empty()) return;
  std::vector<Offer> offers;
  for (const auto& [id, entry] : open_searches_) {
    for (const core::TaskKind kind : entry->search->kinds()) {
      if (entry->search->Ready(kind) > 0) offers.push_back({entry, kind, 0});
    }
  }
  while (!offers.empty()) {
    const Poll* oldest = nullptr;
    for (const Offer& offer : offers) {
      const Poll* poll = polls_.OldestAfter(offer.passed, offer.entry->search->RequireOf(offer.kind));
      if (poll != nullptr && (oldest == nullptr || poll->id < oldest->id)) oldest = poll;
    }
    if (oldest == nullptr) return;
    std::vector<LeasedTask> tasks = TasksFor(*oldest, offers);
    if (!tasks.empty()) Answer<std::vector<LeasedTask>>(polls_.Take(oldest->id)->reply, std::move(tasks));
  }
}

void Engine::Compete() {
  std::vector<core::FairShare::Claim> claims;
  // One alone has nobody to share with.
  if (open_searches_.size() > 1) {
    for (const auto& [id, entry] : open_searches_) {
      const core::Search& search = *entry->search;
      if (search.Ready() == 0) continue;
      claims.push_back({id, search.sharing(), search.CountOf(core::CandidateState::kLeased)});
    }
  }
  shares_.Compete(std::move(claims));
}

std::vector<LeasedTask> Engine::TasksFor(const Poll& poll, std::vector<Offer>& offers) {
  const std::string& worker = poll.request.worker.id;
  std::vector<LeasedTask> tasks;
  std::size_t bytes = 0;
  std::size_t reused = 0;
  while (static_cast<int>(tasks.size()) < poll.request.max_tasks && bytes < kMostTaskBytes) {
    const auto offer = OfferFor(poll, offers);
    if (offer == offers.end()) break;
    Entry& entry = *offer->entry;
    const core::TaskKind kind = offer->kind;
    const core::Candidate* candidate = entry.search->Lease(worker, poll.request.request_id, now_, kind);
    touched_.insert(entry.stored.id);
    if (candidate != nullptr && ReuseResult(entry, *candidate)) {
      if (++reused < kMostReused) continue;
      // The rest in turns to come.
      Submit([] {});
      offers.erase(offer);
      break;
    }
    if (candidate != nullptr) {
      leases_.Set({entry.stored.id, candidate->number}, worker, now_.steady + options_.lease_duration);
      tasks.push_back(MakeTask(entry, *candidate));
      bytes += entry.spec->size();
      if (entry.search->Ready(kind) == 0) offers.erase(offer);
    } else if (entry.search->HoldsBack(worker, now_, kind)) {
      offer->passed = poll.id;
    } else {
      offers.erase(offer);
    }
  }
  return tasks;
}

std::vector<Engine::Offer>::iterator Engine::OfferFor(const Poll& poll, std::vector<Offer>& offers) const {
  // Most often there is but one, and nothing to choose.
  if (offers.size() == 1) {
    const Offer& only = offers.front();
    const bool fits = only.passed < poll.id && Meets(poll.request.worker, only.entry->search->RequireOf(only.kind));
    return fits ? offers.begin() : offers.end();
  }
  std::vector<std::vector<Offer>::iterator> fitting;
  for (auto offer = offers.begin(); offer != offers.end(); ++offer) {
    if (offer->passed < poll.id && Meets(poll.request.worker, offer->entry->search->RequireOf(offer->kind))) {
      fitting.push_back(offer);
    }
  }
  if (fitting.empty()) return offers.end();
  std::vector<core::FairShare::Claim> claims;
  claims.reserve(fitting.size());
  for (const auto& offer : fitting) {
    const core::Search& search = *offer->entry->search;
    claims.push_back({offer->entry->stored.id, search.sharing(), search.CountOf(core::CandidateState::kLeased)});
  }
  return fitting[shares_.Next(claims)];
}

bool Engine::ReuseResult(Entry& entry, const core::Candidate& candidate) {
  core::Search& search = *entry.search;
  // A repeat, or a training in full, is to be a training of its own.
  if (!search.config().reuse_results || candidate.repeat != 0 || candidate.final_seed != 0) return false;
  for (const std::uint64_t id : same_evaluation_.at(search.config().evaluation_key)) {
    if (id == entry.stored.id) continue;
    const Entry& other = searches_.at(id);
    const core::Candidate* result = other.search->candidate(other.search->NumberOf(candidate.architecture));
    if (result == nullptr || result->state != core::CandidateState::kSucceeded) continue;
    if (!search.Reuse(candidate.number, result->metrics, CandidateName(other.name, result->number), now_.unix_ms))
      continue;
    metrics_.results_reused.Increment();
    return true;
  }
  return false;
}

void Engine::StartWork() {
  if (polls_.empty() || draining_) return;
  for (const auto& [id, entry] : open_searches_) {
    if (entry->search->Ready() == 0) continue;
    std::shared_ptr<core::BackgroundWork> work =
        entry->search->StartWork(std::min(polls_.wanted_tasks(), kMostProposalsAtOnce));
    if (work == nullptr) continue;
    solver_.Post([this, id = id, search = entry->search, work] {
      work->Run();
      Submit([this, id, search, work] {
        search->FinishWork(*work);
        touched_.insert(id);
      });
    });
  }
}

LeasedTask Engine::MakeTask(const Entry& entry, const core::Candidate& candidate) const {
  const std::uint64_t search_seed = entry.search->config().seed;
  const std::uint64_t fingerprint = core::Fingerprint(candidate.architecture);
  std::uint64_t seed = MixKey({search_seed, fingerprint});
  if (candidate.repeat != 0) seed = MixKey({search_seed, fingerprint, static_cast<std::uint64_t>(candidate.repeat)});
  if (candidate.final_seed != 0) {
    seed = MixKey({search_seed, fingerprint, kFinalSeeds, static_cast<std::uint64_t>(candidate.final_seed)});
  }
  return {{entry.stored.id, candidate.number, candidate.attempt, lineage_},
          entry.name,
          entry.spec,
          candidate.architecture,
          static_cast<std::uint32_t>(seed),
          entry.search->KindOf(candidate),
          candidate.final_of != 0};
}

storage::Batch Engine::CollectChanges() {
  storage::Batch batch;
  if (next_search_id_ != stored_next_search_id_) batch.PutNextSearchId(next_search_id_);
  stored_next_search_id_ = next_search_id_;
  for (const std::uint64_t id : deleted_) batch.DeleteSearch(id);
  std::erase_if(touched_, [&](std::uint64_t id) {
    const auto entry = searches_.find(id);
    return entry == searches_.end() || !CollectChangesOf(entry->second, batch);
  });
  CollectLogs(batch);
  for (const std::uint64_t id : std::exchange(clock_set_, {})) {
    if (const auto entry = searches_.find(id); entry != searches_.end()) batch.PutSearch(entry->second.stored);
  }
  return batch;
}

bool Engine::CollectChangesOf(Entry& entry, storage::Batch& batch) {
  const core::Search& search = *entry.search;
  const core::Changes changes = entry.search->TakeChanges();
  const std::uint64_t id = entry.stored.id;
  for (const std::uint64_t number : changes.candidates) {
    const core::Candidate& candidate = *search.candidate(number);
    if (candidate.state != core::CandidateState::kLeased) {
      leases_.Remove({id, number});
    } else if (!leases_.Holds({id, number}, candidate.worker)) {
      // Ran out, and was taken up again by its worker.
      leases_.Set({id, number}, candidate.worker, now_.steady + options_.lease_duration);
    }
    if (core::IsFinal(candidate.state)) {
      metrics_.Evaluations(candidate.state).Increment();
      // Not after the clock was set back in between.
      if (candidate.state != core::CandidateState::kSkipped && candidate.started != 0 &&
          candidate.ended > candidate.started) {
        shares_.Took(id, Millis{candidate.ended - candidate.started});
      }
      if (candidate.state != core::CandidateState::kSkipped && candidate.started != 0) {
        metrics_.ObserveEvaluation(candidate);
      }
    }
    batch.PutChangedCandidate(id, candidate, ++entry.sequence, now_.unix_ms);
  }
  const auto tables = search.final_tables();
  for (std::size_t i = changes.new_tables_from; i < tables.size(); ++i) {
    for (const BucketView& bucket : MakeBuckets(search, tables[i])) {
      std::vector<storage::StoredBucketEntry> stored;
      stored.reserve(bucket.entries.size());
      for (const BucketView::Entry& one : bucket.entries) {
        stored.push_back({one.candidate, one.evaluated.reward, one.evaluated.cost});
      }
      batch.PutBucket({id, static_cast<std::uint32_t>(bucket.position.pass),
                       static_cast<std::uint32_t>(bucket.position.stage), static_cast<std::uint32_t>(bucket.bucket)},
                      stored);
    }
  }
  if (changes.search) {
    entry.stored.state = search.state();
    entry.stored.state_reason = search.state_reason();
    entry.stored.created = search.created();
    entry.stored.ended = search.ended();
    entry.stored.sharing = search.sharing();
    batch.PutSearch(entry.stored);
    batch.PutChange(id, {++entry.sequence, now_.unix_ms, std::nullopt});
    if (core::IsFinal(search.state())) {
      open_searches_.erase(id);
      shares_.Forget(id);
      log::Info("search ended",
                {{"search", entry.name}, {"state", Name(search.state())}, {"why", search.state_reason()}});
      metrics_.searches().Forget(entry.name);
    }
  }
  // Not at every change, for a range deletion costs.
  constexpr std::uint64_t kTrimEvery = 1000;
  if (changes.Any() && entry.sequence >= entry.first_kept + options_.kept_changes + kTrimEvery) {
    entry.first_kept = entry.sequence - options_.kept_changes;
    batch.TrimChanges(id, entry.first_kept);
  }
  return changes.Any();
}

void Engine::CollectLogs(storage::Batch& batch) {
  // Not at every log, for a range deletion costs.
  constexpr std::uint64_t kTrimEvery = 100;
  for (const auto& [key, log] : std::exchange(new_logs_, {})) {
    const auto found = searches_.find(key.search);
    if (found == searches_.end()) continue;
    Entry& entry = found->second;
    // Comes too late to be one of the latest.
    if (key.candidate < entry.first_logged) continue;
    batch.PutLog(key, log);
    const auto kept_attempts = static_cast<std::uint32_t>(options_.kept_attempt_logs);
    if (key.attempt > kept_attempts) {
      batch.DeleteLogs({key.search, key.candidate, 0}, {key.search, key.candidate, key.attempt - kept_attempts + 1});
    }
    if (key.candidate >= entry.first_logged + options_.kept_logs + kTrimEvery) {
      entry.first_logged = key.candidate - options_.kept_logs + 1;
      batch.DeleteLogs({key.search, 0, 0}, {key.search, entry.first_logged, 0});
    }
  }
}

void Engine::UpdateGauges() {
  if (now_.steady < gauges_due_) return;
  gauges_due_ = now_.steady + kGaugeInterval;
  std::map<core::SearchState, std::size_t> searches;
  std::map<core::CandidateState, std::size_t> candidates;
  std::map<std::map<std::string, std::string>, std::size_t> wanted;
  std::size_t ready = 0;
  for (const auto& [id, entry] : searches_) {
    ++searches[entry.search->state()];
    if (core::IsFinal(entry.search->state())) continue;
    for (int state = 1; state <= static_cast<int>(core::CandidateState::kStopped); ++state) {
      const auto candidate_state = static_cast<core::CandidateState>(state);
      candidates[candidate_state] += entry.search->CountOf(candidate_state);
    }
    ready += entry.search->Ready();
    for (const core::TaskKind kind : entry.search->kinds()) {
      wanted[entry.search->RequireOf(kind)] += entry.search->Ready(kind) + entry.search->Leased(kind);
    }
  }
  for (std::size_t i = 0; i < std::min(kSearchesShownAtOnce, open_searches_.size()); ++i) {
    auto next = open_searches_.upper_bound(last_shown_);
    if (next == open_searches_.end()) next = open_searches_.begin();
    last_shown_ = next->first;
    const Entry& entry = *next->second;
    metrics_.searches().Set(entry.name, *entry.search, !WaitingFor(*entry.search).empty());
  }
  metrics_.SetSearches(searches);
  metrics_.SetCandidates(candidates);
  metrics_.SetWanted(wanted);
  metrics_.tasks_ready.Set(static_cast<double>(ready));
  metrics_.tasks_leased.Set(static_cast<double>(leases_.size()));
  metrics_.workers.Set(static_cast<double>(workers_.workers().size()));
  int slots = 0;
  for (const auto& [id, worker] : workers_.workers()) slots += worker.info.slots;
  metrics_.fleet_slots.Set(slots);
  metrics_.workers_shunned.Set(static_cast<double>(workers_.shunned()));
  metrics_.polls_parked.Set(static_cast<double>(polls_.size()));
  if (now_.steady >= storage_gauges_due_) {
    storage_gauges_due_ = now_.steady + kStorageGaugeInterval;
    const storage::Store::Figures figures = store_.MeasureFigures();
    metrics_.storage_table_bytes.Set(static_cast<double>(figures.table_bytes));
    metrics_.storage_memory_bytes.Set(static_cast<double>(figures.memory_bytes));
    metrics_.storage_compaction_pending_bytes.Set(static_cast<double>(figures.compaction_pending_bytes));
    metrics_.storage_free_bytes.Set(static_cast<double>(figures.free_bytes));
  }
  metrics_.storage_syncs.Increment(static_cast<double>(store_.syncs()) - metrics_.storage_syncs.Value());
}

absl::StatusOr<Engine::Entry*> Engine::Find(const std::string& name) {
  const std::optional<ParsedSearchName> parsed = ParseSearchName(name);
  if (!parsed) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is not the name of a search: expected searches/{name}-{number}"));
  }
  const auto entry = searches_.find(parsed->id);
  if (entry == searches_.end() || entry->second.name != name) {
    return absl::NotFoundError(absl::StrCat("there is no search ", name));
  }
  return &entry->second;
}

std::pair<Engine::Entry*, LeaseToken> Engine::FindLease(const std::string& token) {
  const std::optional<LeaseToken> parsed = ParseLeaseToken(token);
  if (!parsed) return {nullptr, {}};
  if (parsed->lineage != lineage_) return {nullptr, *parsed};
  const auto entry = searches_.find(parsed->search);
  if (entry == searches_.end()) return {nullptr, *parsed};
  return {&entry->second, *parsed};
}

void Engine::AtEndOfTurn(std::uint64_t id, std::function<void(const Entry* entry)> answer) {
  at_end_.push_back([this, id, answer = std::move(answer)] {
    const auto entry = searches_.find(id);
    answer(entry == searches_.end() ? nullptr : &entry->second);
  });
}

void Engine::Drain() {
  Submit([this] {
    draining_ = true;
    for (Poll& poll : polls_.Clear()) Answer<std::vector<LeasedTask>>(std::move(poll.reply), Draining());
    answers_.push_back([this] {
      MutexLock lock(watch_mutex_);
      for (const auto& [search, watches] : watches_) {
        for (const auto& [id, changed] : watches) changed();
      }
    });
  });
}

Engine::WatchId Engine::Watch(std::uint64_t search, std::function<void()> changed) {
  MutexLock lock(watch_mutex_);
  const WatchId id = next_watch_++;
  watches_[search].emplace(id, std::move(changed));
  return id;
}

void Engine::Unwatch(WatchId watch) {
  MutexLock lock(watch_mutex_);
  for (auto watches = watches_.begin(); watches != watches_.end(); ++watches) {
    if (watches->second.erase(watch) == 0) continue;
    if (watches->second.empty()) watches_.erase(watches);
    return;
  }
}

void Engine::WakeWatches(const std::set<std::uint64_t>& searches) {
  MutexLock lock(watch_mutex_);
  if (watches_.empty()) return;
  for (const std::uint64_t search : searches) {
    const auto watches = watches_.find(search);
    if (watches == watches_.end()) continue;
    for (const auto& [id, changed] : watches->second) changed();
  }
}

}  // namespace layernas
