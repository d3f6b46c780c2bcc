// Commands of workers: lease tasks, extend leases, and return results.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/log/rate_limit.h"
#include "controller/engine/engine_state.h"

namespace layernas {

// Use it only on the engine's thread. The functions implement the calls of Engine with the same
// names.
class WorkerCommands {
 public:
  // Both arguments must outlive this object. `log_clock` limits how often lines are logged.
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

  // Call it once per turn, before its commands: answers polls that are past their deadline.
  void RunTimers();
  // Call it in each turn in which silence counts, after the commands: expires leases, notes which
  // workers are away, and forgets workers.
  void NoteSilence();
  // Call it once per turn, after NoteSilence().
  void EndShuns();

 private:
  // Notes that the worker was heard, and sets its name. Returns RESOURCE_EXHAUSTED if its owner
  // already has too many other workers.
  absl::Status Hear(WorkerInfo& worker);
  // The same without a limit on the owner's workers.
  void Admit(WorkerInfo& worker);
  // The worker was known by its id until now. Its polls, leases and shun now get its new name.
  void TellApart(const std::string& id, const WorkerInfo& worker);
  void RenameLease(const LeaseBook::Key& key, const WorkerInfo& worker, SteadyTime deadline);
  // Returns whether a lease belongs to the worker, which has sent the lease's token.
  bool IsOwn(const LeaseBook::Key& key, const WorkerInfo& worker) const;
  // Returns the tasks that the same request was given before, if its answer was lost. Each lease
  // gets its full duration again. `id_said`: the id that the worker sends.
  std::vector<LeasedTask> LeasedBefore(const std::string& id_said, const LeaseRequest& request);
  // Returns the leases held under a name that the process has, or may have had before a restart of
  // the controller. `id`: the id that the worker sends.
  std::set<LeaseBook::Key> LeasesOf(const std::string& id, const WorkerInfo& worker) const;
  LeaseVerdict Renew(const WorkerInfo& worker, const HeldLease& lease);
  // Handles the progress in a heartbeat of the candidate's current lease. Returns false if its
  // training is hopeless; it is then stopped.
  bool NoteProgress(SearchEntry& entry, const LeaseToken& token, const HeldLease& lease);
  core::CompletionVerdict Complete(const std::string& worker, Report& report);
  // An attempt has failed on the worker.
  void NoteFailure(SearchEntry& entry, const std::string& worker, const core::Candidate& candidate,
                   core::TaskKind kind);
  // Records a lost lease for each lease whose search still exists. `may_return`: see Search::Expire().
  void ExpireLeases(const std::vector<LeaseBook::Key>& leases, const std::string& why, bool may_return);
  // A heartbeat lists all leases of a worker, so no one works on a missing lease. A heartbeat with
  // the maximum number of leases says nothing about others.
  void ExpireUnlisted(const WorkerInfo& worker, const std::vector<HeldLease>& listed);
  // An attempt failed on the worker: shuns it if its attempts keep failing and those of other
  // workers do not.
  void Blame(SearchEntry& entry, const std::string& worker, core::TaskKind kind, const std::string& why);
  // Returns why FindLease() finds nothing.
  std::string WhyUnknown(const std::string& token);
  // Returns the lease of a token; null if its search does not exist or the token is of another
  // store.
  std::pair<SearchEntry*, LeaseToken> FindLease(const std::string& token);

  EngineState& state_;
  prometheus::Counter& too_many_workers_;

  // Limits the log lines that workers can cause at will; metrics count all events.
  static constexpr Millis kLogPeriod{10'000};
  static constexpr int kLogLines = 100;
  log::RateLimit failure_lines_;
  log::RateLimit expiry_lines_;
  log::RateLimit name_lines_;
};

}  // namespace layernas
