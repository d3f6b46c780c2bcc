#include "controller/engine/engine.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"

namespace layernas {
namespace {

// The resolution of time-outs.
constexpr Millis kTick{100};
constexpr Millis kGaugeInterval{200};
// Commands that share one write at most: bounds the time to the first answer.
constexpr std::size_t kMostCommandsPerTurn = 4096;
// Records looked at for one page of candidates at most.
constexpr std::size_t kMostScanned = 20'000;
// A filter may pass few of them.
constexpr std::size_t kReadAtOnce = 500;

absl::Status SearchWasDeleted() { return absl::NotFoundError("the search was deleted"); }
absl::Status Draining() { return absl::UnavailableError("the controller is shutting down"); }

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
    entry.search = std::make_unique<core::Search>(*std::move(config), one.search.state, one.search.state_reason,
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
  const std::uint64_t seed = MixKey({entry.search->config().seed, core::ArchitectureHash()(candidate.architecture)});
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
}

template <typename T>
void Engine::Answer(const Reply<T>& reply, absl::StatusOr<T> value) {
  answers_.push_back([reply, value = std::move(value)] { reply(value); });
}

template <typename T>
void Engine::OnSearch(std::string name, Reply<T> reply, std::function<absl::StatusOr<T>(Entry&)> command) {
  Submit([this, name = std::move(name), reply = std::move(reply), command = std::move(command)] {
    const absl::StatusOr<Entry*> entry = Find(name);
    Answer<T>(reply, entry.ok() ? command(**entry) : entry.status());
  });
}

void Engine::ChangeSearch(std::string name, Reply<SearchView> reply, std::function<absl::Status(Entry&)> command) {
  Submit([this, name = std::move(name), reply = std::move(reply), command = std::move(command)] {
    const absl::StatusOr<Entry*> entry = Find(name);
    const absl::Status status = entry.ok() ? command(**entry) : entry.status();
    if (!status.ok()) {
      Answer<SearchView>(reply, status);
      return;
    }
    touched_.insert((*entry)->stored.id);
    AnswerWithView(reply, (*entry)->stored.id);
  });
}

void Engine::AnswerWithView(const Reply<SearchView>& reply, std::uint64_t id) {
  answers_.push_back([this, reply, id] {
    const auto entry = searches_.find(id);
    if (entry == searches_.end()) {
      reply(SearchWasDeleted());
    } else {
      reply(MakeView(entry->second));
    }
  });
}

template <typename T>
void Engine::ReadSearch(std::string name, Reply<T> reply,
                        std::function<absl::StatusOr<T>(std::uint64_t id, SearchView view)> read) {
  Submit([this, name = std::move(name), reply = std::move(reply), read = std::move(read)] {
    const absl::StatusOr<Entry*> entry = Find(name);
    if (!entry.ok()) {
      Answer<T>(reply, entry.status());
      return;
    }
    answers_.push_back([this, reply, read, id = (*entry)->stored.id] {
      // After the commit, so that the view's sequence number is on the disk.
      const auto committed = searches_.find(id);
      if (committed == searches_.end()) {
        reply(SearchWasDeleted());
        return;
      }
      reader_.Post([reply, read, id, view = MakeView(committed->second)] { reply(read(id, view)); });
    });
  });
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

void Engine::CreateSearch(NewSearch search, Reply<SearchView> reply) {
  Submit([this, search = std::move(search), reply = std::move(reply)] {
    if (const auto made = search_of_request_.find(search.request_id);
        !search.request_id.empty() && made != search_of_request_.end()) {
      AnswerWithView(reply, made->second);
      return;
    }
    const std::uint64_t id = next_search_id_++;
    Entry& entry = searches_[id];
    entry.name = SearchName(search.slug, id);
    entry.spec = std::make_shared<const std::string>(search.spec);
    entry.search = std::make_unique<core::Search>(search.config, now_.unix_ms);
    entry.stored.id = id;
    entry.stored.slug = search.slug;
    entry.stored.spec = search.spec;
    entry.stored.request_id = search.request_id;
    if (!search.request_id.empty()) search_of_request_[search.request_id] = id;
    touched_.insert(id);
    log::Info("search created", {{"search", entry.name}});
    AnswerWithView(reply, id);
  });
}

void Engine::GetSearch(std::string name, Reply<SearchView> reply) {
  Submit([this, name = std::move(name), reply = std::move(reply)] {
    if (const absl::StatusOr<Entry*> entry = Find(name); entry.ok()) {
      AnswerWithView(reply, (*entry)->stored.id);
    } else {
      Answer<SearchView>(reply, entry.status());
    }
  });
}

void Engine::ListSearches(std::uint64_t before, std::size_t limit, Reply<Page<SearchView>> reply) {
  Submit([this, before, limit, reply = std::move(reply)] {
    answers_.push_back([this, before, limit, reply] {
      Page<SearchView> page;
      auto entry = std::make_reverse_iterator(searches_.lower_bound(before));
      for (; entry != searches_.rend() && page.items.size() < limit; ++entry) {
        page.items.push_back(MakeView(entry->second));
      }
      if (entry != searches_.rend()) page.next = entry->first + 1;
      reply(std::move(page));
    });
  });
}

void Engine::PauseSearch(std::string name, Reply<SearchView> reply) {
  ChangeSearch(std::move(name), std::move(reply), [](Entry& entry) { return entry.search->Pause(); });
}

void Engine::ResumeSearch(std::string name, Reply<SearchView> reply) {
  ChangeSearch(std::move(name), std::move(reply), [](Entry& entry) { return entry.search->Resume(); });
}

void Engine::CancelSearch(std::string name, Reply<SearchView> reply) {
  ChangeSearch(std::move(name), std::move(reply), [this](Entry& entry) { return entry.search->Cancel(now_.unix_ms); });
}

void Engine::DeleteSearch(std::string name, Reply<SearchView> reply) {
  OnSearch<SearchView>(std::move(name), std::move(reply), [this](Entry& entry) -> absl::StatusOr<SearchView> {
    if (!core::IsFinal(entry.search->state())) {
      return absl::FailedPreconditionError("the search has not ended; cancel it first");
    }
    SearchView view = MakeView(entry);
    const std::uint64_t id = entry.stored.id;
    search_of_request_.erase(entry.stored.request_id);
    metrics_.ForgetSearch(entry.name);
    deleted_.insert(id);
    searches_.erase(id);
    return view;
  });
}

void Engine::ListCandidates(std::string name, std::set<core::CandidateState> states, std::uint64_t after,
                            std::size_t limit, Reply<CandidatePage> reply) {
  ReadSearch<CandidatePage>(
      std::move(name), std::move(reply),
      [this, states = std::move(states), after, limit](std::uint64_t id,
                                                       SearchView view) -> absl::StatusOr<CandidatePage> {
        CandidatePage result;
        result.search = std::move(view);
        std::vector<core::Candidate>& items = result.page.items;
        std::uint64_t position = after;
        for (std::size_t scanned = 0; items.size() < limit && scanned < kMostScanned;) {
          LAYERNAS_ASSIGN_OR_RETURN(std::vector<core::Candidate> read,
                                    store_.ReadCandidates(id, position, std::max(limit, kReadAtOnce)));
          if (read.empty()) return result;
          scanned += read.size();
          for (core::Candidate& candidate : read) {
            position = candidate.number;
            if (!states.empty() && !states.contains(candidate.state)) continue;
            items.push_back(std::move(candidate));
            if (items.size() == limit) break;
          }
        }
        // The last page has no token: a caller that stops at it has seen all.
        LAYERNAS_ASSIGN_OR_RETURN(const std::vector<core::Candidate> more, store_.ReadCandidates(id, position, 1));
        if (!more.empty()) result.page.next = position;
        return result;
      });
}

void Engine::GetFrontier(std::string name, Reply<FrontierView> reply) {
  OnSearch<FrontierView>(std::move(name), std::move(reply), [this](Entry& entry) {
    FrontierView view{MakeView(entry), {}};
    for (const auto& [cost, point] : entry.search->frontier().points()) {
      view.points.push_back(*entry.search->candidate(point.candidate));
    }
    return view;
  });
}

void Engine::GetBuckets(std::string name, core::Position position, Reply<BucketsView> reply) {
  OnSearch<BucketsView>(
      std::move(name), std::move(reply), [this, position](Entry& entry) -> absl::StatusOr<BucketsView> {
        const std::optional<core::StageTable> growing = entry.search->growing_table();
        if (growing && (position == core::Position{} || position == growing->position))
          return BucketsView{MakeView(entry), MakeBuckets(*entry.search, *growing)};
        const auto tables = entry.search->final_tables();
        if (position == core::Position{}) {
          // A strategy without tables has none to show, and that is no error.
          if (tables.empty()) return BucketsView{MakeView(entry), {}};
          return BucketsView{MakeView(entry), MakeBuckets(*entry.search, tables.back())};
        }
        for (const core::StageTable& table : tables) {
          if (table.position == position) return BucketsView{MakeView(entry), MakeBuckets(*entry.search, table)};
        }
        return absl::NotFoundError(
            absl::StrCat(entry.name, " has no table of pass ", position.pass, ", stage ", position.stage));
      });
}

void Engine::ReadChanges(std::string name, std::uint64_t after, std::size_t limit, Reply<ChangesView> reply) {
  Submit([this, name = std::move(name), after, limit, reply = std::move(reply)]() mutable {
    if (draining_) {
      Answer<ChangesView>(reply, Draining());
      return;
    }
    ReadSearch<ChangesView>(std::move(name), std::move(reply),
                            [this, after, limit](std::uint64_t id, SearchView view) -> absl::StatusOr<ChangesView> {
                              ChangesView result;
                              LAYERNAS_ASSIGN_OR_RETURN(result.changes, store_.ReadChanges(id, after, limit));
                              // What was committed since the view was made is for the next call, whose view will know
                              // it.
                              std::erase_if(result.changes, [&view](const storage::StoredChange& change) {
                                return change.sequence > view.sequence;
                              });
                              // A number from the future is of a store that was since restored from a backup.
                              result.gap = after > view.sequence ||
                                           (after < view.sequence &&
                                            (result.changes.empty() || result.changes.front().sequence > after + 1));
                              result.search = std::move(view);
                              return result;
                            });
  });
}

Engine::WatchId Engine::Watch(std::uint64_t search, std::function<void()> changed) {
  MutexLock lock(watch_mutex_);
  const WatchId id = next_watch_++;
  watches_.emplace(id, std::pair{search, std::move(changed)});
  return id;
}

void Engine::Unwatch(WatchId watch) {
  MutexLock lock(watch_mutex_);
  watches_.erase(watch);
}

void Engine::ListWorkers(std::string after, std::size_t limit, Reply<std::vector<WorkerView>> reply) {
  Submit([this, after = std::move(after), limit, reply = std::move(reply)] {
    std::vector<WorkerView> workers;
    for (auto worker = workers_.upper_bound(after); worker != workers_.end() && workers.size() < limit; ++worker) {
      WorkerView& view = workers.emplace_back();
      view.info = worker->second.info;
      view.since_heard = std::chrono::duration_cast<Millis>(now_.steady - worker->second.heard);
      for (const LeaseBook::Key& key : leases_.OfWorker(worker->first)) {
        if (const auto entry = searches_.find(key.search); entry != searches_.end()) {
          view.candidates.push_back(CandidateName(entry->second.name, key.number));
        }
      }
    }
    Answer<std::vector<WorkerView>>(reply, std::move(workers));
  });
}

Engine::PollId Engine::LeaseTasks(LeaseRequest request, Reply<std::vector<LeasedTask>> reply) {
  const PollId id = next_poll_++;
  Submit([this, id, request = std::move(request), reply = std::move(reply)] {
    if (draining_) {
      Answer<std::vector<LeasedTask>>(reply, Draining());
      return;
    }
    Hear(request.worker);
    // A repeated request: the answer to the first got lost. What it leased is given again; if it is parked still, this
    // one takes its place.
    std::vector<LeasedTask> leased;
    if (!request.request_id.empty()) {
      const std::set<LeaseBook::Key> held = leases_.OfWorker(request.worker.id);
      for (const LeaseBook::Key& key : held) {
        const auto entry = searches_.find(key.search);
        if (entry == searches_.end()) continue;
        const core::Candidate& candidate = *entry->second.search->candidate(key.number);
        // The book follows at the end of the turn: a result or release of this very turn has ended the lease already.
        if (candidate.state != core::CandidateState::kLeased || candidate.request_id != request.request_id) continue;
        leases_.Set(key, request.worker.id, now_.steady + options_.lease_duration);
        leased.push_back(MakeTask(entry->second, candidate));
      }
      for (auto poll = polls_.begin(); poll != polls_.end(); ++poll) {
        if (poll->request.worker.id != request.worker.id || poll->request.request_id != request.request_id) continue;
        Answer<std::vector<LeasedTask>>(poll->reply, absl::AbortedError("the same request was made again"));
        polls_.erase(poll);
        break;
      }
    }
    if (!leased.empty()) {
      Answer<std::vector<LeasedTask>>(reply, std::move(leased));
      return;
    }
    polls_.push_back({id, request, reply});
  });
  return id;
}

void Engine::CancelPoll(PollId poll) {
  Submit([this, poll] {
    const auto parked = std::find_if(polls_.begin(), polls_.end(), [poll](const Poll& one) { return one.id == poll; });
    if (parked == polls_.end()) return;
    Answer<std::vector<LeasedTask>>(parked->reply, absl::CancelledError("the caller is gone"));
    polls_.erase(parked);
  });
}

void Engine::Heartbeat(WorkerInfo worker, std::vector<std::string> tokens, Reply<std::vector<bool>> reply) {
  Submit([this, worker = std::move(worker), tokens = std::move(tokens), reply = std::move(reply)] {
    Hear(worker);
    std::vector<bool> go_on;
    go_on.reserve(tokens.size());
    for (const std::string& text : tokens) {
      const auto [entry, token] = FindLease(text);
      const bool wanted = entry != nullptr && entry->search->Renew(token.number, token.attempt, worker.id);
      if (wanted) {
        touched_.insert(token.search);
        const LeaseBook::Key key{token.search, token.number};
        const core::Candidate& candidate = *entry->search->candidate(token.number);
        if (candidate.attempt == token.attempt && leases_.Holds(key, worker.id)) {
          leases_.Set(key, worker.id, now_.steady + options_.lease_duration);
        }
      }
      go_on.push_back(wanted);
    }
    Answer<std::vector<bool>>(reply, std::move(go_on));
  });
}

void Engine::CompleteTasks(std::string worker, std::vector<Report> reports,
                           Reply<std::vector<core::CompletionVerdict>> reply) {
  Submit([this, worker = std::move(worker), reports = std::move(reports), reply = std::move(reply)] {
    std::vector<core::CompletionVerdict> verdicts;
    verdicts.reserve(reports.size());
    for (const Report& report : reports) {
      const auto [entry, token] = FindLease(report.token);
      if (entry == nullptr) {
        verdicts.push_back({core::CompletionVerdict::kRefused, "there is no such lease, or its search was deleted"});
      } else {
        touched_.insert(token.search);
        const std::size_t failures = [&, search = entry->search.get()] {
          const core::Candidate* candidate = search->candidate(token.number);
          return candidate == nullptr ? 0 : candidate->failures.size();
        }();
        verdicts.push_back(
            report.metrics
                ? entry->search->Complete(token.number, token.attempt, worker, *report.metrics, now_)
                : entry->search->Fail(token.number, token.attempt, worker, report.failure, report.message, now_));
        const core::Candidate* candidate = entry->search->candidate(token.number);
        if (candidate != nullptr && candidate->failures.size() > failures) {
          const core::AttemptFailure& failure = candidate->failures.back();
          metrics_.AttemptsFailed(failure.kind).Increment();
          log::Warning("attempt failed", {{"candidate", CandidateName(entry->name, token.number)},
                                          {"attempt", failure.attempt},
                                          {"worker", failure.worker},
                                          {"kind", Name(failure.kind)},
                                          {"why", failure.message}});
        }
      }
      metrics_.Completions(verdicts.back().status).Increment();
    }
    Answer<std::vector<core::CompletionVerdict>>(reply, std::move(verdicts));
  });
}

void Engine::ReleaseTasks(std::string worker, std::vector<std::string> tokens, Reply<bool> reply) {
  Submit([this, worker = std::move(worker), tokens = std::move(tokens), reply = std::move(reply)] {
    for (const std::string& text : tokens) {
      const auto [entry, token] = FindLease(text);
      if (entry == nullptr || !leases_.Holds({token.search, token.number}, worker)) continue;
      entry->search->Release(token.number, token.attempt);
      touched_.insert(token.search);
    }
    Answer<bool>(reply, true);
  });
}

}  // namespace layernas
