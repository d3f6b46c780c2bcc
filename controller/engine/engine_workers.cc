// The engine's commands for workers, and the list of these.
#include <algorithm>
#include <set>
#include <utility>

#include "common/log/log.h"
#include "controller/engine/engine.h"
#include "controller/engine/engine_replies.h"

namespace layernas {

void Engine::ListWorkers(std::string after, std::size_t limit, Reply<std::vector<WorkerView>> reply) {
  Submit([this, after = std::move(after), limit, reply = std::move(reply)] {
    std::vector<WorkerView> workers;
    const auto& known = workers_.workers();
    for (auto worker = known.upper_bound(after); worker != known.end() && workers.size() < limit; ++worker) {
      WorkerView& view = workers.emplace_back();
      view.info = worker->second.info;
      // A call that waits is heard all the time.
      if (!polls_.Waits(worker->first)) {
        view.since_heard = std::chrono::duration_cast<Millis>(now_.steady - worker->second.heard);
      }
      view.failures_in_a_row = worker->second.failures_in_a_row;
      view.last_failure = worker->second.last_failure;
      if (worker->second.shunned) {
        view.shunned_for = std::chrono::ceil<Millis>(worker->second.shunned_until - now_.steady);
      }
      for (const LeaseBook::Key& key : leases_.OfWorker(worker->first)) {
        if (const auto entry = searches_.find(key.search); entry != searches_.end()) {
          view.candidates.push_back(CandidateName(entry->second.name, key.number));
          view.progress.push_back(leases_.ProgressOf(key));
        }
      }
    }
    Answer<std::vector<WorkerView>>(reply, std::move(workers));
  });
}

Engine::PollId Engine::LeaseTasks(LeaseRequest request, Reply<std::vector<LeasedTask>> reply) {
  const PollId id = next_poll_++;
  Submit([this, id, request = std::move(request), reply = std::move(reply)]() mutable {
    if (draining_) {
      Answer<std::vector<LeasedTask>>(std::move(reply), Draining());
      return;
    }
    workers_.Hear(request.worker, now_.steady);
    // A repeated request that is parked still: this one takes its place.
    if (!request.request_id.empty()) {
      std::optional<Poll> before = polls_.Take(polls_.Find(request.worker.id, request.request_id));
      if (before) Answer<std::vector<LeasedTask>>(before->reply, absl::AbortedError("the same request was made again"));
    }
    std::vector<LeasedTask> leased = LeasedBefore(request);
    if (!leased.empty()) {
      Answer<std::vector<LeasedTask>>(std::move(reply), std::move(leased));
      return;
    }
    // Enough to see whether it fails still.
    if (workers_.IsOnProbation(request.worker.id)) request.max_tasks = 1;
    polls_.Park({id, std::move(request), std::move(reply)});
  });
  return id;
}

std::vector<LeasedTask> Engine::LeasedBefore(const LeaseRequest& request) {
  std::vector<LeasedTask> leased;
  if (request.request_id.empty()) return leased;
  for (const LeaseBook::Key& key : leases_.OfWorker(request.worker.id)) {
    const auto entry = searches_.find(key.search);
    if (entry == searches_.end()) continue;
    const core::Candidate& candidate = *entry->second.search->candidate(key.number);
    // The book follows at the end of the turn: a result or release of this very turn has ended the lease already.
    if (candidate.state != core::CandidateState::kLeased || candidate.request_id != request.request_id) continue;
    leases_.Set(key, request.worker.id, now_.steady + options_.lease_duration);
    leased.push_back(MakeTask(entry->second, candidate));
  }
  return leased;
}

void Engine::CancelPoll(PollId poll) {
  Submit([this, poll] {
    std::optional<Poll> parked = polls_.Take(poll);
    if (!parked) return;
    Answer<std::vector<LeasedTask>>(std::move(parked->reply), absl::CancelledError("the caller is gone"));
  });
}

void Engine::Heartbeat(WorkerInfo worker, std::vector<HeldLease> leases, Reply<std::vector<bool>> reply) {
  Submit([this, worker = std::move(worker), leases = std::move(leases), reply = std::move(reply)]() mutable {
    workers_.Hear(worker, now_.steady);
    std::vector<bool> go_on;
    go_on.reserve(leases.size());
    for (const HeldLease& lease : leases) {
      const auto [entry, token] = FindLease(lease.token);
      bool wanted = entry != nullptr && entry->search->Renew(token.number, token.attempt, worker.id);
      if (wanted) {
        touched_.insert(token.search);
        const LeaseBook::Key key{token.search, token.number};
        const core::Candidate& candidate = *entry->search->candidate(token.number);
        if (candidate.attempt == token.attempt && leases_.Holds(key, worker.id)) {
          leases_.Set(key, worker.id, now_.steady + options_.lease_duration);
          if (lease.progress) wanted = NoteProgress(*entry, token, *lease.progress);
        }
      }
      go_on.push_back(wanted);
    }
    ExpireUnlisted(worker.id, leases);
    Answer<std::vector<bool>>(std::move(reply), std::move(go_on));
  });
}

bool Engine::NoteProgress(Entry& entry, const LeaseToken& token, const TaskProgress& progress) {
  leases_.SetProgress({token.search, token.number}, progress);
  if (!progress.reward || progress.epoch == 0) return true;
  return entry.search->NoteProgress(token.number, token.attempt, {progress.epoch, static_cast<float>(*progress.reward)},
                                    progress.epochs, now_.unix_ms);
}

void Engine::CompleteTasks(std::string worker, std::vector<Report> reports,
                           Reply<std::vector<core::CompletionVerdict>> reply) {
  Submit([this, worker = std::move(worker), reports = std::move(reports), reply = std::move(reply)]() mutable {
    std::vector<core::CompletionVerdict> verdicts;
    verdicts.reserve(reports.size());
    for (Report& report : reports) {
      const auto [entry, token] = FindLease(report.token);
      if (entry == nullptr) {
        verdicts.push_back({core::CompletionVerdict::kRefused,
                            "there is no such lease: its search was deleted, or all was put back to a backup"});
      } else {
        touched_.insert(token.search);
        const core::Candidate* before = entry->search->candidate(token.number);
        const std::size_t failures = before == nullptr ? 0 : before->failures.size();
        verdicts.push_back(report.metrics ? entry->search->Complete(token.number, token.attempt, worker,
                                                                    *report.metrics, now_, report.curve, report.weights)
                                          : entry->search->Fail(token.number, token.attempt, worker, report.failure,
                                                                report.message, now_));
        const core::Candidate* candidate = entry->search->candidate(token.number);
        if (candidate != nullptr && candidate->failures.size() > failures) {
          const core::AttemptFailure& failure = candidate->failures.back();
          metrics_.AttemptsFailed(failure.kind).Increment();
          log::Warning("attempt failed", {{"candidate", CandidateName(entry->name, token.number)},
                                          {"attempt", failure.attempt},
                                          {"worker", failure.worker},
                                          {"kind", Name(failure.kind)},
                                          {"why", failure.message}});
          if (failure.kind == core::FailureKind::kEvaluator) {
            // At most two are told apart: whether it is one or more.
            if (entry->failing_workers.size() < 2) entry->failing_workers.insert(worker);
            Blame(*entry, worker, entry->search->KindOf(*candidate), failure.message);
          }
        } else if (report.metrics && verdicts.back().status == core::CompletionVerdict::kAccepted) {
          workers_.Succeeded(worker);
          entry->failing_workers.clear();
        }
        // Also of a result that is none.
        if (report.log && verdicts.back().status != core::CompletionVerdict::kRefused) {
          report.log->worker = worker;
          report.log->time = now_.unix_ms;
          new_logs_.emplace_back(storage::LogKey{token.search, token.number, static_cast<std::uint32_t>(token.attempt)},
                                 *std::move(report.log));
        }
      }
      metrics_.Completions(verdicts.back().status).Increment();
    }
    Answer<std::vector<core::CompletionVerdict>>(std::move(reply), std::move(verdicts));
  });
}

void Engine::ExpireLeases(const std::vector<LeaseBook::Key>& leases, const std::string& why) {
  // By worker: a search of it, and the kind of task. One that is gone with all that it held has failed once.
  std::map<std::string, std::pair<std::uint64_t, core::TaskKind>> lost;
  for (const LeaseBook::Key& key : leases) {
    leases_.Remove(key);
    // Its search may be gone, or a report of this very turn has ended it.
    const auto entry = searches_.find(key.search);
    if (entry == searches_.end()) continue;
    const core::Candidate& candidate = *entry->second.search->candidate(key.number);
    if (candidate.state != core::CandidateState::kLeased) continue;
    log::Warning("lease expired", {{"candidate", CandidateName(entry->second.name, key.number)},
                                   {"worker", candidate.worker},
                                   {"attempt", candidate.attempt},
                                   {"why", why}});
    metrics_.lease_expirations.Increment();
    metrics_.AttemptsFailed(core::FailureKind::kWorkerLost).Increment();
    lost.emplace(candidate.worker, std::pair(key.search, entry->second.search->KindOf(candidate)));
    entry->second.search->Expire(key.number, candidate.attempt, now_, why);
    touched_.insert(key.search);
  }
  for (const auto& [worker, of] : lost) {
    // Leases that were granted at other times run out at other times: no more than one loss each time it is heard.
    if (workers_.Lost(worker)) Blame(searches_.at(of.first), worker, of.second, why);
  }
}

void Engine::ExpireUnlisted(const std::string& worker, const std::vector<HeldLease>& listed) {
  std::vector<LeaseBook::Key> unlisted;
  for (const LeaseBook::Key& key : leases_.OfWorker(worker)) {
    // One that it was granted only just now it may not know of yet.
    const bool is_fresh = leases_.Deadline(key) > now_.steady + options_.lease_duration - heartbeat_interval();
    if (!is_fresh && std::none_of(listed.begin(), listed.end(), [&](const HeldLease& lease) {
          const std::optional<LeaseToken> token = ParseLeaseToken(lease.token);
          return token && token->search == key.search && token->number == key.number;
        })) {
      unlisted.push_back(key);
    }
  }
  ExpireLeases(unlisted, "the worker no longer knows of it: it was restarted, or never got it");
}

void Engine::Blame(Entry& entry, const std::string& worker, core::TaskKind kind, const std::string& why) {
  // Where others fail too it is the search's fault, and where there are no others nobody can tell.
  if (std::any_of(entry.failing_workers.begin(), entry.failing_workers.end(),
                  [&worker](const std::string& other) { return other != worker; })) {
    return;
  }
  const auto& workers = workers_.workers();
  const bool has_others = std::any_of(workers.begin(), workers.end(), [&](const auto& other) {
    return other.first != worker && !other.second.shunned && Meets(other.second.info, entry.search->RequireOf(kind));
  });
  if (!has_others || !workers_.Failed(worker, why, now_.steady)) return;
  polls_.HoldBack(worker);
  metrics_.worker_shuns.Increment();
  log::Warning("worker shunned",
               {{"worker", worker}, {"seconds", workers_.workers().at(worker).last_shun.count() / 1000}, {"why", why}});
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
