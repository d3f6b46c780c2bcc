#include "controller/engine/worker_commands.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/architecture_id.h"
#include "common/base/task_limits.h"
#include "common/base/utf8.h"
#include "common/log/log.h"
#include "controller/core/attempts.h"
#include "controller/engine/dispatcher.h"

namespace layernas {
namespace {

std::string IdOf(const core::Space& space, const core::Architecture& architecture) {
  std::size_t max_options = 0;
  for (const core::Layer& layer : space.layers) max_options = std::max<std::size_t>(max_options, layer.option_count);
  return FormatArchitectureId(architecture, max_options);
}

}  // namespace

absl::Status WorkerCommands::Hear(WorkerInfo& worker) {
  const std::string id = worker.id;
  if (!worker.owner.empty() && state_.workers.OwnerOf(id, worker.instance) != worker.owner) {
    const std::size_t most = state_.options.quotas.workers;
    if (state_.workers.CountOf(worker.owner) >= most) {
      too_many_workers_.Increment();
      return absl::ResourceExhaustedError(
          absl::StrCat(worker.owner, " has reached its limit of ", most,
                       " workers (the controller's --max-workers-per-caller); a silent worker is forgotten after a "
                       "minute or more"));
    }
  }
  Admit(worker);
  return absl::OkStatus();
}

void WorkerCommands::Admit(WorkerInfo& worker) {
  const std::string id = worker.id;
  const WorkerNames::Heard heard = state_.workers.Hear(worker, state_.now.steady);
  worker.id = heard.name;
  if (heard.is_told_apart) TellApart(id, worker);
}

void WorkerCommands::TellApart(const std::string& id, const WorkerInfo& worker) {
  if (const auto left_out = name_lines_.Take()) {
    log::Warning("two workers have the same id; give each a unique --id",
                 {{"id", id}, {"one_is_now_called", worker.id}, {"left_out_before", *left_out}});
  }
  state_.polls.Rename(id, worker.instance, worker.id);
  for (const LeaseBook::Key& key : std::set<LeaseBook::Key>(state_.leases.OfWorker(id))) {
    if (state_.leases.IsOf(key, worker.instance)) RenameLease(key, worker, state_.leases.Deadline(key));
  }
  // The shun has moved with the worker.
  if (!state_.workers.workers().at(worker.id).shunned) return;
  state_.polls.HoldBack(worker.id);
  state_.polls.LetIn(id);
}

void WorkerCommands::RenameLease(const LeaseBook::Key& key, const WorkerInfo& worker, SteadyTime deadline) {
  SearchEntry* entry = state_.searches.Find(key.search);
  // The search may have been deleted in this turn.
  if (entry == nullptr) return;
  entry->search->Rename(key.number, entry->search->candidate(key.number)->attempt, worker.id);
  state_.leases.Rename(key, worker.id, deadline, worker.instance);
  state_.touched.insert(key.search);
}

void WorkerCommands::ListWorkers(const std::string& after, std::size_t limit,
                                 const Reply<std::vector<WorkerView>>& reply) {
  std::vector<WorkerView> workers;
  const auto& known = state_.workers.workers();
  for (auto worker = known.upper_bound(after); worker != known.end() && workers.size() < limit; ++worker) {
    WorkerView& view = workers.emplace_back();
    view.info = worker->second.info;
    // A worker with a waiting call counts as heard at all times.
    if (!state_.polls.Waits(worker->first)) {
      view.since_heard = std::chrono::duration_cast<Millis>(state_.now.steady - worker->second.heard);
    }
    view.failures_in_a_row = WorkerBook::FailuresInARow(worker->second);
    view.last_failure = worker->second.last_failure;
    if (worker->second.shunned) {
      view.shunned_for = std::chrono::ceil<Millis>(worker->second.shunned_until - state_.now.steady);
    }
    for (const LeaseBook::Key& key : state_.leases.OfWorker(worker->first)) {
      if (const SearchEntry* entry = state_.searches.Find(key.search)) {
        view.candidates.push_back(CandidateName(entry->name, key.number));
        view.progress.push_back(state_.leases.ProgressOf(key));
      }
    }
  }
  state_.Answer<std::vector<WorkerView>>(reply, std::move(workers));
}

void WorkerCommands::LeaseTasks(PollId id, LeaseRequest request, Reply<std::vector<LeasedTask>> reply) {
  if (state_.draining) {
    state_.Answer<std::vector<LeasedTask>>(std::move(reply), Draining());
    return;
  }
  const std::string id_said = request.worker.id;
  if (const absl::Status status = Hear(request.worker); !status.ok()) {
    state_.Answer<std::vector<LeasedTask>>(std::move(reply), status);
    return;
  }
  // A repeated request replaces the earlier one that still waits.
  if (!request.request_id.empty()) {
    std::optional<Poll> before = state_.polls.Take(state_.polls.Find(request.worker.id, request.request_id));
    if (before) {
      state_.Answer<std::vector<LeasedTask>>(before->reply, absl::AbortedError("the same request was sent again"));
    }
  }
  std::vector<LeasedTask> leased = LeasedBefore(id_said, request);
  if (!leased.empty()) {
    state_.Answer<std::vector<LeasedTask>>(std::move(reply), std::move(leased));
    return;
  }
  state_.polls.Park({id, std::move(request), std::move(reply)});
}

std::vector<LeasedTask> WorkerCommands::LeasedBefore(const std::string& id_said, const LeaseRequest& request) {
  std::vector<LeasedTask> leased;
  if (request.request_id.empty()) return leased;
  for (const LeaseBook::Key& key : LeasesOf(id_said, request.worker)) {
    // After a restart of the controller the owner is unknown.
    const std::string& instance = state_.leases.InstanceOf(key);
    if (!instance.empty() && instance != request.worker.instance) continue;
    const SearchEntry* entry = state_.searches.Find(key.search);
    if (entry == nullptr) continue;
    const core::Candidate& candidate = *entry->search->candidate(key.number);
    // The lease book is updated at the end of the turn: a result or release in this turn has
    // already ended the lease.
    if (candidate.state != core::CandidateState::kLeased || candidate.request_id != request.request_id) continue;
    RenameLease(key, request.worker, state_.now.steady + state_.options.lease_duration);
    leased.push_back(MakeTask(state_, *entry, candidate));
  }
  return leased;
}

std::set<LeaseBook::Key> WorkerCommands::LeasesOf(const std::string& id, const WorkerInfo& worker) const {
  std::vector<std::string> names = WorkerNames::FormerNames(id, worker.instance);
  names.push_back(state_.workers.NameOf(id, worker.instance));
  std::set<LeaseBook::Key> keys;
  for (const std::string& name : names) {
    const std::set<LeaseBook::Key>& of_name = state_.leases.OfWorker(name);
    keys.insert(of_name.begin(), of_name.end());
  }
  return keys;
}

void WorkerCommands::CancelPoll(PollId poll) {
  std::optional<Poll> parked = state_.polls.Take(poll);
  if (!parked) return;
  state_.Answer<std::vector<LeasedTask>>(std::move(parked->reply), absl::CancelledError("the caller is gone"));
}

void WorkerCommands::Heartbeat(WorkerInfo worker, const std::vector<HeldLease>& leases,
                               const Reply<std::vector<LeaseVerdict>>& reply) {
  if (const absl::Status status = Hear(worker); !status.ok()) {
    // The leases were granted to this worker, whatever its name was then.
    const std::set<LeaseBook::Key> held = LeasesOf(worker.id, worker);
    const bool holds = std::any_of(leases.begin(), leases.end(), [&](const HeldLease& lease) {
      const auto [entry, token] = FindLease(lease.token);
      const LeaseBook::Key key{token.search, token.number};
      return entry != nullptr && held.contains(key) && IsOwn(key, worker);
    });
    if (!holds) {
      state_.Answer<std::vector<LeaseVerdict>>(reply, status);
      return;
    }
    Admit(worker);
  }
  std::vector<LeaseVerdict> verdicts;
  verdicts.reserve(leases.size());
  for (const HeldLease& lease : leases) verdicts.push_back(Renew(worker, lease));
  ExpireUnlisted(worker, leases);
  state_.Answer<std::vector<LeaseVerdict>>(reply, std::move(verdicts));
}

bool WorkerCommands::IsOwn(const LeaseBook::Key& key, const WorkerInfo& worker) const {
  if (!state_.leases.Contains(key)) return false;
  const std::string& instance = state_.leases.InstanceOf(key);
  // After a restart of the controller the owner is unknown, so the worker with the token counts as
  // owner. It may have had another name.
  return instance.empty() ? !worker.instance.empty() || state_.leases.Holds(key, worker.id)
                          : instance == worker.instance;
}

LeaseVerdict WorkerCommands::Renew(const WorkerInfo& worker, const HeldLease& lease) {
  const auto [entry, token] = FindLease(lease.token);
  if (entry == nullptr) return {false, WhyUnknown(lease.token)};
  const LeaseBook::Key key{token.search, token.number};
  if (IsOwn(key, worker)) entry->search->Rename(token.number, token.attempt, worker.id);
  if (!entry->search->Renew(token.number, token.attempt, worker.id)) {
    return {false, "its result is no longer needed"};
  }
  state_.touched.insert(token.search);
  const core::Candidate& candidate = *entry->search->candidate(token.number);
  // The lease is of a superseded attempt, waits while its search is paused, or belongs to another
  // worker.
  if (candidate.attempt != token.attempt || candidate.state != core::CandidateState::kLeased ||
      candidate.worker != worker.id) {
    return {};
  }
  state_.leases.Set(key, worker.id, state_.now.steady + state_.options.lease_duration, worker.instance);
  if (!NoteProgress(*entry, token, lease))
    return {false, "its training was stopped: it was behind others of similar cost"};
  return {};
}

bool WorkerCommands::NoteProgress(SearchEntry& entry, const LeaseToken& token, const HeldLease& lease) {
  core::Curve points = lease.curve;
  if (lease.progress) {
    const TaskProgress& progress = *lease.progress;
    state_.leases.SetProgress({token.search, token.number}, progress);
    if (progress.reward && progress.epoch > (points.empty() ? 0 : points.back().epoch)) {
      points.push_back({progress.epoch, static_cast<float>(*progress.reward)});
    }
  }
  return entry.search->NoteProgress(token.number, token.attempt, points, lease.progress ? lease.progress->epochs : 0,
                                    state_.now.unix_ms);
}

void WorkerCommands::CompleteTasks(const WorkerId& worker, std::vector<Report> reports,
                                   const Reply<std::vector<core::CompletionVerdict>>& reply) {
  const std::string name = state_.workers.NameOf(worker.id, worker.instance);
  std::vector<core::CompletionVerdict> verdicts;
  verdicts.reserve(reports.size());
  for (Report& report : reports) {
    verdicts.push_back(Complete(name, report));
    state_.metrics.Completions(verdicts.back().status).Increment();
  }
  state_.Answer<std::vector<core::CompletionVerdict>>(reply, std::move(verdicts));
}

core::CompletionVerdict WorkerCommands::Complete(const std::string& worker, Report& report) {
  const auto [entry, token] = FindLease(report.token);
  if (entry == nullptr) return {core::CompletionVerdict::kRefused, WhyUnknown(report.token)};
  core::Search& search = *entry->search;
  const core::Candidate* candidate = search.candidate(token.number);
  if (candidate == nullptr) return {core::CompletionVerdict::kRefused, "unknown lease"};
  if (const std::string id = IdOf(search.config().space, candidate->architecture);
      !report.architecture.empty() && report.architecture != id) {
    return {core::CompletionVerdict::kRefused, "the report is for architecture " +
                                                   CutUtf8(report.architecture, kMaxNameBytes) +
                                                   ", but the lease is for " + id};
  }
  state_.touched.insert(token.search);
  const core::TaskKind kind = search.KindOf(*candidate);
  const std::size_t failures = candidate->failures.size();
  const int measured = candidate->measured_attempt;
  const bool was_final = core::IsFinal(candidate->state);
  const core::Others others = state_.OthersOf(worker, search.RequireOf(kind));
  // If all trainings of a worker seem to diverge, the worker itself is probably broken.
  const bool believed = others == core::Others::kNone || state_.workers.SucceededLast(worker, kind);
  core::CompletionVerdict verdict =
      report.result
          ? search.Complete(token.number, token.attempt, worker, *std::move(report.result), state_.now, believed)
          : search.Fail(token.number, token.attempt, worker, report.failure, report.message, state_.now);
  if (report.is_invalid && verdict.status == core::CompletionVerdict::kAccepted) {
    verdict = {core::CompletionVerdict::kInvalid, report.message};
  }
  if (candidate->failures.size() > failures) {
    state_.workers.NotSucceeded(worker, kind);
    NoteFailure(*entry, worker, *candidate, kind);
    search.EndIfHopeless(kind, others, state_.now.unix_ms);
  } else if (verdict.status == core::CompletionVerdict::kAccepted &&
             (candidate->measured_attempt != measured ||
              (!was_final && candidate->state == core::CandidateState::kSucceeded))) {
    // A repeated report does not count again.
    state_.workers.Succeeded(worker, kind);
    entry->failing_workers[kind].clear();
  }
  // Invalid results have a log too.
  if (report.log && verdict.status != core::CompletionVerdict::kRefused) {
    report.log->worker = worker;
    report.log->time = state_.now.unix_ms;
    state_.new_logs.emplace_back(storage::LogKey{token.search, token.number, static_cast<std::uint32_t>(token.attempt)},
                                 *std::move(report.log));
  }
  return verdict;
}

void WorkerCommands::NoteFailure(SearchEntry& entry, const std::string& worker, const core::Candidate& candidate,
                                 core::TaskKind kind) {
  const core::AttemptFailure& failure = candidate.failures.back();
  state_.metrics.AttemptsFailed(failure.kind).Increment();
  if (const auto left_out = failure_lines_.Take()) {
    log::Warning("attempt failed", {{"candidate", CandidateName(entry.name, candidate.number)},
                                    {"attempt", failure.attempt},
                                    {"worker", failure.worker},
                                    {"kind", Name(failure.kind)},
                                    {"why", failure.message},
                                    {"left_out_before", *left_out}});
  }
  if (failure.kind != core::FailureKind::kEvaluator) return;
  // At most two are kept: it matters only whether there is one or more.
  std::set<std::string>& failing = entry.failing_workers[kind];
  if (failing.size() < 2) failing.insert(worker);
  // A candidate that failed on other workers, too, says nothing against this one.
  if (core::CountAttempts(candidate).only_worker.empty()) return;
  Blame(entry, worker, kind, failure.message);
}

void WorkerCommands::NoteSilence() {
  ExpireLeases(state_.leases.Expired(state_.now.steady), "nothing was heard from the worker",
               /*may_return=*/true);
  // A worker with leases sends three heartbeats per lease duration, and a waiting worker has a poll
  // here.
  state_.workers.NoteAway(state_.now.steady - state_.options.lease_duration, state_.now.steady,
                          [this](const std::string& name) { return state_.polls.Waits(name); });
  // Workers are shown for longer, so that people see which ones are missing.
  state_.workers.Forget(state_.now.steady - std::max(3 * state_.options.lease_duration, Millis{60'000}));
}

void WorkerCommands::EndShuns() {
  for (const std::string& worker : state_.workers.EndShuns(state_.now.steady)) state_.polls.LetIn(worker);
}

void WorkerCommands::RunTimers() {
  for (const PollId id : state_.polls.Expired(state_.now.steady)) {
    Poll poll = *state_.polls.Take(id);
    // The worker was connected until now.
    state_.workers.HearWaiting(poll.request.worker.id, state_.now.steady);
    state_.Answer<std::vector<LeasedTask>>(std::move(poll.reply), std::vector<LeasedTask>());
  }
}

void WorkerCommands::ExpireLeases(const std::vector<LeaseBook::Key>& leases, const std::string& why, bool may_return) {
  // By worker: one of its searches, and the kind of task. A worker that has gone with all its
  // leases has failed once.
  std::map<std::string, std::pair<std::uint64_t, core::TaskKind>> lost;
  for (const LeaseBook::Key& key : leases) {
    state_.leases.Remove(key);
    // The search may have been deleted, or a report in this turn has ended the lease.
    SearchEntry* entry = state_.searches.Find(key.search);
    if (entry == nullptr) continue;
    const core::Candidate& candidate = *entry->search->candidate(key.number);
    if (candidate.state != core::CandidateState::kLeased) continue;
    if (const auto left_out = expiry_lines_.Take()) {
      log::Warning("lease expired", {{"candidate", CandidateName(entry->name, key.number)},
                                     {"worker", candidate.worker},
                                     {"attempt", candidate.attempt},
                                     {"why", why},
                                     {"left_out_before", *left_out}});
    }
    state_.metrics.lease_expirations.Increment();
    state_.metrics.AttemptsFailed(core::FailureKind::kWorkerLost).Increment();
    lost.emplace(candidate.worker, std::pair(key.search, entry->search->KindOf(candidate)));
    entry->search->Expire(key.number, candidate.attempt, state_.now, why, may_return);
    state_.touched.insert(key.search);
  }
  for (const auto& [worker, of] : lost) {
    // Leases granted at different times expire at different times. They count as at most one loss
    // until the worker is heard again.
    if (state_.workers.Lost(worker)) Blame(*state_.searches.Find(of.first), worker, of.second, why);
  }
}

void WorkerCommands::ExpireUnlisted(const WorkerInfo& worker, const std::vector<HeldLease>& listed) {
  // Its answer may have waited for a write that hung.
  if (!state_.silence_counts || listed.size() >= kMaxLeasesPerCall) return;
  std::set<LeaseBook::Key> held;
  for (const HeldLease& lease : listed) {
    const auto [entry, token] = FindLease(lease.token);
    if (entry != nullptr) held.insert({token.search, token.number});
  }
  std::vector<LeaseBook::Key> unlisted;
  for (const LeaseBook::Key& key : state_.leases.OfWorker(worker.id)) {
    // Another process may have the same id and hold the lease. After a restart of the controller
    // the owner is unknown until the lease is listed or expires.
    if (state_.leases.InstanceOf(key) != worker.instance) continue;
    // The worker may not know yet of a lease that was granted just now.
    const bool is_fresh =
        state_.leases.Deadline(key) > state_.now.steady + state_.options.lease_duration - state_.heartbeat_interval();
    if (!is_fresh && !held.contains(key)) unlisted.push_back(key);
  }
  ExpireLeases(unlisted, "the worker does not know this lease: it was restarted or never received the lease",
               /*may_return=*/false);
}

void WorkerCommands::Blame(SearchEntry& entry, const std::string& worker, core::TaskKind kind, const std::string& why) {
  // If other workers fail too, the search is at fault. If there are no other workers, it is
  // unknown.
  const std::set<std::string>& failing = entry.failing_workers[kind];
  if (std::any_of(failing.begin(), failing.end(), [&worker](const std::string& other) { return other != worker; })) {
    return;
  }
  const PollBook::Requirements& require = entry.search->RequireOf(kind);
  if (!state_.workers.HasOthersUnshunned(worker, require)) return;
  if (!state_.workers.Failed(worker, kind, require, why, state_.now.steady)) return;
  state_.polls.HoldBack(worker);
  state_.metrics.worker_shuns.Increment();
  log::Warning(
      "worker shunned",
      {{"worker", worker}, {"seconds", state_.workers.workers().at(worker).last_shun.count() / 1000}, {"why", why}});
}

void WorkerCommands::ReleaseTasks(const WorkerId& worker, const std::vector<std::string>& tokens, bool leaving,
                                  const Reply<bool>& reply) {
  WorkerInfo known;
  known.id = state_.workers.NameOf(worker.id, worker.instance);
  known.instance = worker.instance;
  for (const std::string& text : tokens) {
    const auto [entry, token] = FindLease(text);
    const LeaseBook::Key key{token.search, token.number};
    // An expired lease is not in the book; the worker returns what it was granted all the same.
    if (entry == nullptr || (state_.leases.Contains(key) && !IsOwn(key, known))) continue;
    entry->search->Release(token.number, token.attempt);
    state_.touched.insert(token.search);
  }
  if (leaving) {
    // A worker that is away gets no tasks.
    for (const std::string& name : std::set<std::string>{known.id, worker.id}) {
      for (const PollId poll : state_.polls.Of(name, worker.instance)) CancelPoll(poll);
    }
    state_.workers.Leave(worker.id, worker.instance);
  }
  state_.Answer<bool>(reply, true);
}

std::string WorkerCommands::WhyUnknown(const std::string& token) {
  const std::optional<LeaseToken> parsed = ParseLeaseToken(token);
  const SearchEntry* entry = parsed ? state_.searches.Find(parsed->search) : nullptr;
  if (entry != nullptr && entry->IsBroken()) return "this version of layernas cannot continue the search";
  return "unknown lease: the search was deleted or the controller was restored from a backup";
}

std::pair<SearchEntry*, LeaseToken> WorkerCommands::FindLease(const std::string& token) {
  const std::optional<LeaseToken> parsed = ParseLeaseToken(token);
  if (!parsed) return {nullptr, {}};
  SearchEntry* entry = state_.searches.Find(parsed->search);
  if (entry == nullptr || entry->IsBroken() || parsed->lineage != state_.LineageOf(*entry)) return {nullptr, *parsed};
  return {entry, *parsed};
}

}  // namespace layernas
