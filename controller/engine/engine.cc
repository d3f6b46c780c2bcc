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
// Commands that share one write at most: bounds the time to the first answer.
constexpr std::size_t kMostCommandsPerTurn = 4096;
// Proposals computed in one go at most: bounds the time until the first of them can be used.
constexpr std::size_t kMostProposalsAtOnce = 16;

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
    : store_(store), options_(options), metrics_(metrics), clock_(clock) {}

Engine::~Engine() {
  if (!thread_.joinable()) return;
  Drain();
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  thread_.join();
}

absl::Status Engine::Load(const SpecParser& parse_spec) {
  now_ = clock_.NowOnBoth();
  LAYERNAS_ASSIGN_OR_RETURN(next_search_id_, store_.NextSearchId());
  stored_next_search_id_ = next_search_id_;
  LAYERNAS_ASSIGN_OR_RETURN(std::vector<storage::LoadedSearch> loaded, store_.LoadSearches());
  for (storage::LoadedSearch& one : loaded) {
    const std::uint64_t id = one.search.id;
    const std::string name = SearchName(one.search.slug, id);
    absl::StatusOr<core::SearchConfig> config = parse_spec(one.search.spec);
    if (!config.ok()) return absl::Status(config.status().code(), absl::StrCat(name, ": ", config.status().message()));
    Entry& entry = searches_[id];
    entry.name = name;
    entry.spec = std::make_shared<const std::string>(one.search.spec);
    entry.sequence = one.sequence;
    entry.search = std::make_shared<core::Search>(*std::move(config), one.search.state, one.search.state_reason,
                                                  one.search.created, one.search.ended, std::move(one.candidates));
    if (!one.search.request_id.empty()) search_of_request_[one.search.request_id] = id;
    entry.stored = std::move(one.search);
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
  {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(command));
  }
  changed_.NotifyOne();
}

void Engine::Run() {
  std::vector<std::function<void()>> waiting;
  while (true) {
    bool stopping = false;
    {
      MutexLock lock(mutex_);
      if (queue_.empty() && waiting.empty() && !stopping_) changed_.WaitFor(mutex_, kTick);
      std::move(queue_.begin(), queue_.end(), std::back_inserter(waiting));
      queue_.clear();
      stopping = stopping_;
    }
    const std::size_t count = std::min(waiting.size(), kMostCommandsPerTurn);
    std::vector<std::function<void()>> commands(std::make_move_iterator(waiting.begin()),
                                                std::make_move_iterator(waiting.begin() + count));
    waiting.erase(waiting.begin(), waiting.begin() + count);
    Turn(std::move(commands));
    if (stopping && waiting.empty()) {
      MutexLock lock(mutex_);
      if (queue_.empty()) return;
    }
  }
}

void Engine::Turn(std::vector<std::function<void()>> commands) {
  now_ = clock_.NowOnBoth();
  RunTimers();
  for (const std::function<void()>& command : commands) command();
  Dispatch();
  StartWork();

  storage::Batch batch = CollectChanges();
  if (!batch.empty()) {
    const SteadyTime begin = clock_.Now();
    const absl::Status written = store_.Commit(std::move(batch));
    if (!written.ok()) {
      // Nothing of this turn was answered. The next start goes on from what is on the disk.
      log::Error("can't write, so the controller ends; start it again once the cause is removed",
                 {{"cause", std::string(written.message())}});
      std::_Exit(EXIT_FAILURE);
    }
    metrics_.commit_seconds.Observe(std::chrono::duration<double>(clock_.Now() - begin).count());
    metrics_.commit_commands.Observe(static_cast<double>(std::max<std::size_t>(commands.size(), 1)));
  }
  for (const std::function<void()>& answer : std::exchange(answers_, {})) answer();
  if (!touched_.empty() || !deleted_.empty()) {
    MutexLock lock(watch_mutex_);
    for (const auto& [id, watch] : watches_) {
      if (touched_.contains(watch.first) || deleted_.contains(watch.first)) watch.second();
    }
  }
  touched_.clear();
  deleted_.clear();
  UpdateGauges();
}

void Engine::RunTimers() {
  for (const LeaseBook::Key& key : leases_.Expired(now_.steady)) {
    // Its search may be gone.
    if (const auto entry = searches_.find(key.search); entry != searches_.end()) {
      core::Search& search = *entry->second.search;
      const core::Candidate& candidate = *search.candidate(key.number);
      log::Warning("lease expired", {{"candidate", CandidateName(entry->second.name, key.number)},
                                     {"worker", candidate.worker},
                                     {"attempt", candidate.attempt}});
      metrics_.lease_expirations.Increment();
      metrics_.AttemptsFailed(core::FailureKind::kWorkerLost).Increment();
      search.Expire(key.number, candidate.attempt, now_);
      touched_.insert(key.search);
    }
    leases_.Remove(key);
  }
  for (auto& [id, entry] : searches_) {
    if (core::IsFinal(entry.search->state()) || entry.search->config().duration.count() == 0) continue;
    entry.search->CheckTime(now_.unix_ms);
    touched_.insert(id);
  }
  for (auto poll = polls_.begin(); poll != polls_.end();) {
    if (poll->request.deadline > now_.steady) {
      ++poll;
      continue;
    }
    Answer<std::vector<LeasedTask>>(poll->reply, std::vector<LeasedTask>());
    poll = polls_.erase(poll);
  }
  const Millis forget_after = std::max(3 * options_.lease_duration, Millis{60'000});
  std::erase_if(workers_, [&](const auto& worker) { return worker.second.heard + forget_after < now_.steady; });
}

void Engine::Dispatch() {
  for (auto poll = polls_.begin(); poll != polls_.end();) {
    const bool work = std::any_of(searches_.begin(), searches_.end(),
                                  [](const auto& entry) { return entry.second.search->Ready() > 0; });
    if (!work) return;
    std::vector<LeasedTask> tasks = TasksFor(poll->request);
    if (tasks.empty()) {
      ++poll;
      continue;
    }
    Answer<std::vector<LeasedTask>>(poll->reply, std::move(tasks));
    poll = polls_.erase(poll);
  }
}

std::vector<LeasedTask> Engine::TasksFor(const LeaseRequest& request) {
  std::vector<LeasedTask> tasks;
  std::set<std::uint64_t> passed_over;
  while (static_cast<int>(tasks.size()) < request.max_tasks) {
    Entry* entry = SearchToServe(request.worker, passed_over);
    if (entry == nullptr) break;
    const core::Candidate* candidate = entry->search->Lease(request.worker.id, request.request_id, now_);
    touched_.insert(entry->stored.id);
    if (candidate == nullptr) {
      passed_over.insert(entry->stored.id);
      continue;
    }
    leases_.Set({entry->stored.id, candidate->number}, request.worker.id, now_.steady + options_.lease_duration);
    tasks.push_back(MakeTask(*entry, *candidate));
  }
  return tasks;
}

void Engine::StartWork() {
  if (polls_.empty() || draining_) return;
  std::size_t wanted = 0;
  for (const Poll& poll : polls_) wanted += static_cast<std::size_t>(poll.request.max_tasks);
  for (auto& [id, entry] : searches_) {
    if (entry.search->Ready() == 0) continue;
    std::shared_ptr<core::BackgroundWork> work = entry.search->StartWork(std::min(wanted, kMostProposalsAtOnce));
    if (work == nullptr) continue;
    solver_.Post([this, id = id, search = entry.search, work] {
      work->Run();
      Submit([this, id, search, work] {
        search->FinishWork(*work);
        touched_.insert(id);
      });
    });
  }
}

// Of the searches that have work for the worker, the one with the fewest candidates under way: all get an equal share.
Engine::Entry* Engine::SearchToServe(const WorkerInfo& worker, const std::set<std::uint64_t>& passed_over) {
  Entry* chosen = nullptr;
  std::size_t fewest = 0;
  for (auto& [id, entry] : searches_) {
    const core::Search& search = *entry.search;
    if (search.Ready() == 0 || passed_over.contains(id)) continue;
    const bool fits =
        std::all_of(search.config().require.begin(), search.config().require.end(), [&](const auto& label) {
          const auto has = worker.labels.find(label.first);
          return has != worker.labels.end() && has->second == label.second;
        });
    if (!fits) continue;
    const std::size_t leased = search.CountOf(core::CandidateState::kLeased);
    if (chosen == nullptr || leased < fewest) {
      chosen = &entry;
      fewest = leased;
    }
  }
  return chosen;
}

LeasedTask Engine::MakeTask(const Entry& entry, const core::Candidate& candidate) const {
  const std::uint64_t seed = MixKey({entry.search->config().seed, core::Fingerprint(candidate.architecture)});
  return {{entry.stored.id, candidate.number, candidate.attempt},
          entry.name,
          entry.spec,
          candidate.architecture,
          static_cast<std::uint32_t>(seed)};
}

storage::Batch Engine::CollectChanges() {
  storage::Batch batch(store_);
  if (next_search_id_ != stored_next_search_id_) batch.PutNextSearchId(next_search_id_);
  stored_next_search_id_ = next_search_id_;
  for (const std::uint64_t id : deleted_) batch.DeleteSearch(id);
  std::erase_if(touched_, [&](std::uint64_t id) {
    const auto entry = searches_.find(id);
    return entry == searches_.end() || !CollectChangesOf(entry->second, batch);
  });
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
    if (core::IsFinal(candidate.state)) metrics_.Evaluations(candidate.state).Increment();
    batch.PutCandidate(id, candidate);
    batch.PutChange(id, {++entry.sequence, now_.unix_ms, candidate});
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
    batch.PutSearch(entry.stored);
    batch.PutChange(id, {++entry.sequence, now_.unix_ms, std::nullopt});
    if (core::IsFinal(search.state())) {
      log::Info("search ended",
                {{"search", entry.name}, {"state", Name(search.state())}, {"why", search.state_reason()}});
      metrics_.ForgetSearch(entry.name);
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

void Engine::UpdateGauges() {
  if (now_.steady < gauges_due_) return;
  gauges_due_ = now_.steady + kGaugeInterval;
  std::map<core::SearchState, std::size_t> searches;
  std::map<core::CandidateState, std::size_t> candidates;
  std::size_t ready = 0;
  for (const auto& [id, entry] : searches_) {
    ++searches[entry.search->state()];
    if (core::IsFinal(entry.search->state())) continue;
    for (int state = 1; state <= static_cast<int>(core::CandidateState::kSkipped); ++state) {
      const auto candidate_state = static_cast<core::CandidateState>(state);
      candidates[candidate_state] += entry.search->CountOf(candidate_state);
    }
    ready += entry.search->Ready();
    metrics_.SetSearch(entry.name, *entry.search);
  }
  metrics_.SetSearches(searches);
  metrics_.SetCandidates(candidates);
  metrics_.tasks_ready.Set(static_cast<double>(ready));
  metrics_.tasks_leased.Set(static_cast<double>(leases_.size()));
  metrics_.workers.Set(static_cast<double>(workers_.size()));
  metrics_.polls_parked.Set(static_cast<double>(polls_.size()));
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

void Engine::Hear(const WorkerInfo& worker) { workers_[worker.id] = {worker, now_.steady}; }

std::pair<Engine::Entry*, LeaseToken> Engine::FindLease(const std::string& token) {
  const std::optional<LeaseToken> parsed = ParseLeaseToken(token);
  if (!parsed) return {nullptr, {}};
  const auto entry = searches_.find(parsed->search);
  if (entry == searches_.end()) return {nullptr, *parsed};
  return {&entry->second, *parsed};
}

void Engine::Drain() {
  Submit([this] {
    draining_ = true;
    for (const Poll& poll : polls_) Answer<std::vector<LeasedTask>>(poll.reply, Draining());
    polls_.clear();
    answers_.push_back([this] {
      MutexLock lock(watch_mutex_);
      for (const auto& [id, watch] : watches_) watch.second();
    });
  });
}

}  // namespace layernas
