// The workers: when each was last heard from, and which ones are shunned.
#pragma once

#include <array>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/engine/lease_book.h"
#include "controller/engine/poll_book.h"
#include "controller/engine/views.h"
#include "controller/engine/worker_names.h"

namespace layernas {

// A worker is shunned for half a minute if its attempts keep failing and those of other workers do
// not. Each time that it fails again right afterwards, it is shunned for twice as long, up to ten
// minutes. The book is not stored.
//
// O(log n) per call. Not thread-safe.
class WorkerBook {
 public:
  // Failed attempts in a row after which a worker is shunned.
  static constexpr int kFailuresBorne = 3;
  static constexpr Millis kFirstShun{30'000};
  static constexpr Millis kLongestShun{600'000};

  struct Worker {
    WorkerInfo info;
    // The id that the worker sends. It is also its name here, unless another worker has that name.
    std::string id;
    SteadyTime heard;
    // Attempts that failed since the last success, by TaskKind; and the message of the latest
    // failure.
    std::array<int, 3> failures = {};
    std::string last_failure;
    // The process that had this name at the latest failure.
    std::string failed_instance;
    // By TaskKind: whether its latest report was a success.
    std::array<bool, 3> succeeded_last = {};
    // Leases of the worker were lost since it was last heard from.
    bool lost = false;
    // The worker has been silent for so long that it cannot be counted on.
    bool away = false;
    bool shunned = false;
    // While it is shunned: until when, and the labels that the failed task required. The shun ends
    // earlier once no other worker that has them is unshunned.
    SteadyTime shunned_until;
    PollBook::Requirements shunned_for;
    // Duration of the last shun; 0 if it has succeeded since.
    Millis last_shun{0};
    // From the beginning of a shun until the next success of any kind; and the latest task that the
    // worker got after the shun, to show whether it still fails.
    bool on_probation = false;
    std::optional<LeaseBook::Key> test;
    // Position in the order of hearing.
    std::list<std::string>::iterator order;
  };

  // How many workers have certain labels.
  struct Fit {
    std::size_t known = 0;
    // Those that are not away, and of these the ones that are shunned.
    std::size_t connected = 0;
    std::size_t shunned = 0;
  };

  // Returns the name by which a process is known (WorkerNames).
  std::string NameOf(const std::string& id, const std::string& instance) const;
  // O(n).
  std::size_t CountOf(const std::string& owner) const;

  // Returns the owner of the row that this process has or would take over; empty if there is no row
  // or no owner.
  std::string OwnerOf(const std::string& id, const std::string& instance) const;
  // `worker` contains the id that the worker sends. `now` must not decrease between calls. A worker
  // that is told apart from another takes its own failures and its shun with it.
  WorkerNames::Heard Hear(WorkerInfo worker, SteadyTime now);
  // Notes that a worker with a waiting call is alive; `name` is its name. Does nothing if it is
  // unknown.
  void HearWaiting(const std::string& name, SteadyTime now);
  // Notes that a worker held a lease when the controller started. Until it is heard from or
  // forgotten, HasOthers() counts it as a worker that may have any labels.
  void Expect(const std::string& name, SteadyTime now);
  // This process of the worker has said goodbye. Other processes are not forgotten.
  void Leave(const std::string& id, const std::string& instance);
  // Marks workers as away that were not heard from since `since`. Those for which `is_there` is
  // true count as heard now.
  void NoteAway(SteadyTime since, SteadyTime now, const std::function<bool(const std::string& name)>& is_there);
  // Forgets workers that are away and were not heard from since `since`.
  void Forget(SteadyTime since);

  // An attempt at a task of this kind succeeded: clears the earlier failures at such tasks.
  void Succeeded(const std::string& id, core::TaskKind kind);
  // The worker's latest report on such a task was not a success, no matter what caused it.
  void NotSucceeded(const std::string& id, core::TaskKind kind);
  // Returns whether the worker's latest report on such a task was a success.
  bool SucceededLast(const std::string& id, core::TaskKind kind) const;
  // Leases of the worker expired. Returns false if this was already noted since it was last heard
  // from, or if it is unknown.
  bool Lost(const std::string& id);
  // An attempt at a task for workers with the labels `require` failed through the worker's own
  // fault. Returns whether the worker is shunned from now on.
  bool Failed(const std::string& id, core::TaskKind kind, const PollBook::Requirements& require,
              const std::string& message, SteadyTime now);
  // Ends the shuns whose time is over, and the shuns of workers that are needed because no others
  // could do the work. These workers get one more try. Returns them, and the shunned workers that
  // were forgotten meanwhile.
  std::vector<std::string> EndShuns(SteadyTime now);
  // Returns the failures in a row of the kind of task with the most.
  static int FailuresInARow(const Worker& worker);
  // Returns whether the worker was shunned and has not succeeded since. It then gets one task at a
  // time.
  bool IsOnProbation(const std::string& id) const;
  // A worker on probation got this task. It gets no other as long as it holds the lease.
  void BeginTest(const std::string& id, LeaseBook::Key task);
  // Returns nothing if the worker has no test, or never had one.
  std::optional<LeaseBook::Key> TestOf(const std::string& id) const;
  std::size_t shunned() const { return by_shun_end_.size(); }

  // O(1) for labels that were requested before.
  const Fit& FitOf(const PollBook::Requirements& requirements);
  // Return whether other workers than this one have the labels. HasOthers() counts all known
  // workers, even if they are away; it is for decisions that cannot be undone. HasOthersUnshunned()
  // counts only those that are neither away nor shunned.
  bool HasOthers(const std::string& id, const PollBook::Requirements& requirements);
  bool HasOthersUnshunned(const std::string& id, const PollBook::Requirements& requirements);

  // By name.
  const std::map<std::string, Worker>& workers() const { return workers_; }
  const WorkerNames& names() const { return names_; }

 private:
  // Returns null if no worker has the name.
  const std::string* IdOf(const std::string& name) const;
  // Records the worker under its name.
  void Note(WorkerInfo worker, const std::string& id, SteadyTime heard);
  // Moves the failures of the one worker to the other.
  void MoveFailures(const std::string& from, const std::string& to);
  void Erase(std::map<std::string, Worker>::iterator worker);
  // Adds (1) or removes (-1) the worker in all counts.
  void CountFit(const Worker& worker, int sign);
  static void Count(const Worker& worker, std::size_t sign, Fit& fit);

  std::map<std::string, Worker> workers_;
  WorkerNames names_;
  // Entries are created on first use.
  std::map<PollBook::Requirements, Fit> fits_;
  // Names by time of silence, longest first: of workers that are not away, and of those that are.
  std::list<std::string> by_hearing_;
  std::list<std::string> away_;
  // Workers that have failed since they last succeeded; most never do.
  std::set<std::string> failing_;
  std::set<std::pair<SteadyTime, std::string>> by_shun_end_;
  // A worker has gone since the latest EndShuns().
  bool fewer_ = false;
  // Names of workers that were expected and not heard from yet, and since when.
  std::set<std::string> expected_;
  SteadyTime expected_since_;
};

}  // namespace layernas
