// What workers ask of the engine: tasks, time, and to take their results.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/log/rate_limit.h"
#include "controller/engine/engine_state.h"

namespace layernas {

// For the engine's thread. As Engine's calls of the same names.
class WorkerCommands {
 public:
  // Both must outlive it. `log_clock` bounds how often lines are logged.
  explicit WorkerCommands(EngineState& state, const Clock& log_clock = Clock::Real())
      : state_(state),
        too_many_workers_(state.metrics.CallsRefused("too_many_workers")),
        failure_lines_(kLogPeriod, kLogLines, log_clock),
        expiry_lines_(kLogPeriod, kLogLines, log_clock),
        name_lines_(kLogPeriod, kLogLines, log_clock) {}

  void ListWorkers(const std::string& after, std::size_t limit, const Reply<std::vector<WorkerView>>& reply);
  void LeaseTasks(PollId id, LeaseRequest request, Reply<std::vector<LeasedTask>> reply);
  void CancelPoll(PollId poll);
  void Heartbeat(WorkerInfo worker, const std::vector<HeldLease>& leases,
                 const Reply<std::vector<LeaseVerdict>>& reply);
  void CompleteTasks(const WorkerId& worker, std::vector<Report> reports,
                     const Reply<std::vector<core::CompletionVerdict>>& reply);
  void ReleaseTasks(const WorkerId& worker, const std::vector<std::string>& tokens, bool leaving,
                    const Reply<bool>& reply);

  // Call once per turn, before its commands: answers polls past their time.
  void RunTimers();
  // Call once per turn, after its commands: expires leases, notes who is away, forgets workers, and ends shuns.
  void NoteSilence();

 private:
  // Notes that it was heard, and gives it its name. RESOURCE_EXHAUSTED if its owner has too many without it.
  absl::Status Hear(WorkerInfo& worker);
  // The same, however many its owner has.
  void Admit(WorkerInfo& worker);
  // The worker was known by its id until now: what it waits for and holds, and a shun, goes by its name.
  void TellApart(const std::string& id, const WorkerInfo& worker);
  void RenameLease(const LeaseBook::Key& key, const WorkerInfo& worker, SteadyTime deadline);
  // Whether a lease whose token it has is the worker's.
  bool IsOwn(const LeaseBook::Key& key, const WorkerInfo& worker) const;
  // What the same request was given before, if its answer got lost; each lease has its full time again.
  // `id_said`: what it calls itself by.
  std::vector<LeasedTask> LeasedBefore(const std::string& id_said, const LeaseRequest& request);
  // Held under a name that the process has, or may have had before a restart of the controller. `id`: what it calls
  // itself by.
  std::set<LeaseBook::Key> LeasesOf(const std::string& id, const WorkerInfo& worker) const;
  LeaseVerdict Renew(const WorkerInfo& worker, const HeldLease& lease);
  // What a heartbeat says of the candidate's current lease. False if its training is hopeless, and stopped thereby.
  bool NoteProgress(SearchEntry& entry, const LeaseToken& token, const HeldLease& lease);
  core::CompletionVerdict Complete(const std::string& worker, Report& report);
  // An attempt has failed on the worker.
  void NoteFailure(SearchEntry& entry, const std::string& worker, const core::Candidate& candidate,
                   core::TaskKind kind);
  // An attempt is used up for each that its search has still.
  void ExpireLeases(const std::vector<LeaseBook::Key>& leases, const std::string& why);
  // A heartbeat lists all leases that a worker holds: what is missing has nobody who works on it. One that lists as
  // many as a call may says nothing of others.
  void ExpireUnlisted(const WorkerInfo& worker, const std::vector<HeldLease>& listed);
  // An attempt failed on the worker: shuns it if that happens again and again, and to no other.
  void Blame(SearchEntry& entry, const std::string& worker, core::TaskKind kind, const std::string& why);
  // Why FindLease() finds nothing.
  std::string WhyUnknown(const std::string& token);
  // The current lease that a token stands for; null if its search is not there or it is of another store.
  std::pair<SearchEntry*, LeaseToken> FindLease(const std::string& token);

  EngineState& state_;
  prometheus::Counter& too_many_workers_;

  // Of what workers can provoke as often as they like; metrics count all of it.
  static constexpr Millis kLogPeriod{10'000};
  static constexpr int kLogLines = 100;
  log::RateLimit failure_lines_;
  log::RateLimit expiry_lines_;
  log::RateLimit name_lines_;
};

}  // namespace layernas
