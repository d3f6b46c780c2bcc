// Who works, when each was heard from, and who is better left alone for a while.
#pragma once

#include <array>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/engine/poll_book.h"
#include "controller/engine/views.h"
#include "controller/engine/worker_names.h"

namespace layernas {

// A worker that fails again and again where others would not is shunned: for half a minute, and for twice as long each
// time that it fails again right afterwards, up to ten minutes. Soft state, as all of the book.
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
    // The id that it calls itself by, which is its name here unless another has that.
    std::string id;
    SteadyTime heard;
    // Attempts that failed since the last one that did not, by TaskKind; and what the latest of them said.
    std::array<int, 3> failures = {};
    std::string last_failure;
    // The process that was known by this name when the latest failed.
    std::string failed_instance;
    // By TaskKind: whether what it reported last was a success.
    std::array<bool, 3> succeeded_last = {};
    // Leases of it were lost since it was last heard from.
    bool lost = false;
    // It has been silent for so long that nobody can count on it.
    bool away = false;
    bool shunned = false;
    // While it is shunned: until when, and the labels of the tasks that others can do.
    SteadyTime shunned_until;
    PollBook::Requirements shunned_for;
    // How long it was the last time; none since it last succeeded.
    Millis last_shun{0};
    // Where it is in the order of hearing.
    std::list<std::string>::iterator order;
  };

  // How many workers have certain labels.
  struct Fit {
    std::size_t known = 0;
    // Of these, those that are not away; and of those, the ones that are shunned.
    std::size_t connected = 0;
    std::size_t shunned = 0;
  };

  // The name by which a process is known (WorkerNames).
  std::string NameOf(const std::string& id, const std::string& instance) const;
  // O(n).
  std::size_t CountOf(const std::string& owner) const;

  // Of the row that this process has, or takes over; empty if it has none or nobody owns that.
  std::string OwnerOf(const std::string& id, const std::string& instance) const;
  // `worker` under its own id. Times never go back from call to call. One that is told apart from another takes its own
  // failures with it, and its shun.
  WorkerNames::Heard Hear(WorkerInfo worker, SteadyTime now);
  // One that waits all the time, by its name; nothing happens if it is not there.
  void HearWaiting(const std::string& name, SteadyTime now);
  // A worker held a lease when the controller started. Until it is heard from or forgotten, it counts as one that may
  // have any labels, for decisions that cannot be undone.
  void Expect(const std::string& name, SteadyTime now);
  // This process of it has said goodbye; no other is forgotten for that.
  void Leave(const std::string& id, const std::string& instance);
  // Those not heard from since `since` are away, except those that `is_there` knows of: they are heard from now.
  void NoteAway(SteadyTime since, SteadyTime now, const std::function<bool(const std::string& name)>& is_there);
  // Forgets those that are away and were not heard from since `since`.
  void Forget(SteadyTime since);

  // An attempt at a task of this kind succeeded: what failed before at such tasks is forgiven.
  void Succeeded(const std::string& id, core::TaskKind kind);
  // What it reported last of such a task was not a success, whoever's fault that is.
  void NotSucceeded(const std::string& id, core::TaskKind kind);
  // Whether what it reported last of such a task was a success.
  bool SucceededLast(const std::string& id, core::TaskKind kind) const;
  // Leases that it held ran out. False if that has been noted since it was last heard from, or it is not known.
  bool Lost(const std::string& id);
  // An attempt at a task for workers with the labels `require` failed by the worker's own fault. Returns whether it is
  // shunned from now on for that reason.
  bool Failed(const std::string& id, core::TaskKind kind, const PollBook::Requirements& require,
              const std::string& message, SteadyTime now);
  // Ends the shuns whose time is over, and those of workers without which nobody could do the work, and returns these
  // workers and the shunned ones that were forgotten meanwhile. They have one more try.
  std::vector<std::string> EndShuns(SteadyTime now);
  // Failures in a row, of the kind of task of which there are most.
  static int FailuresInARow(const Worker& worker);
  // Whether its next failure leads to its being shunned.
  bool IsOnProbation(const std::string& id) const;
  std::size_t shunned() const { return by_shun_end_.size(); }

  // O(1) for labels that were asked for before.
  const Fit& FitOf(const PollBook::Requirements& requirements);
  // Whether other workers than this one have the labels: of all that are known, also if they are away, for what cannot
  // be undone; or of those that are neither away nor shunned.
  bool HasOthers(const std::string& id, const PollBook::Requirements& requirements);
  bool HasOthersUnshunned(const std::string& id, const PollBook::Requirements& requirements);

  // By name.
  const std::map<std::string, Worker>& workers() const { return workers_; }
  const WorkerNames& names() const { return names_; }

 private:
  // Null if nobody has the name.
  const std::string* IdOf(const std::string& name) const;
  // Under its name.
  void Note(WorkerInfo worker, const std::string& id, SteadyTime heard);
  // What is held against the one worker is held against the other, and not against the one any more.
  void MoveFailures(const std::string& from, const std::string& to);
  void Erase(std::map<std::string, Worker>::iterator worker);
  // The worker's share in all counts: added (1) or taken away (-1).
  void CountFit(const Worker& worker, int sign);
  static void Count(const Worker& worker, std::size_t sign, Fit& fit);

  std::map<std::string, Worker> workers_;
  WorkerNames names_;
  // Made when it is first asked for.
  std::map<PollBook::Requirements, Fit> fits_;
  // Names, the one longest silent first: of those that are not away, and of those that are.
  std::list<std::string> by_hearing_;
  std::list<std::string> away_;
  // Of those that have failed since they last succeeded: most never do.
  std::set<std::string> failing_;
  std::set<std::pair<SteadyTime, std::string>> by_shun_end_;
  // Somebody has gone since the latest EndShuns().
  bool fewer_ = false;
  // Names of workers that were expected and not heard from yet, and since when.
  std::set<std::string> expected_;
  SteadyTime expected_since_;
};

}  // namespace layernas
