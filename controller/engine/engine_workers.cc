// The engine's commands for workers, and the list of these.
#include <algorithm>

#include "common/log/log.h"
#include "controller/engine/engine.h"
#include "controller/engine/engine_replies.h"

namespace layernas {

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
        const core::Candidate* before = entry->search->candidate(token.number);
        const std::size_t failures = before == nullptr ? 0 : before->failures.size();
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
