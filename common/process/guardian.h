// Ends the processes that children have started when this process ends, in whatever way.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <set>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"

namespace layernas::process_internal {

// A process that outlives this one by a moment. It waits until all copies of a pipe's end that only
// this process holds are closed; the kernel closes them even after SIGKILL. Then it kills every
// session that it has been told about. The kernel's parent-death signal only reaches a child, and
// not the programs that a wrapper or a trainer has started.
//
// There is one guardian per process. It keeps none of this process's files open, leads its own
// session, and needs no privileges. It has its own command line, so that a pattern for this process
// does not match both. A program that starts its own session (setsid) escapes it.
class Guardian {
 public:
  static Guardian& Get();

  // Forks the guardian if there is none or it has ended, and tells it all existing sessions. If
  // that fails for lack of processes, memory or files, children are started without it, and the
  // next call retries; a warning is logged once. Call this from one thread at a time.
  void Ensure();

  // Called in a child that leads a new session, before its exec. Async-signal-safe.
  void Guard() const;
  // Called in this process for the same child. Thread-safe.
  void Add(pid_t session);
  // Called before the leader of a session is reaped, because after that another session may get its
  // id. Thread-safe.
  void Forget(pid_t session);

 private:
  Guardian() = default;

  // Returns 0 or an error number.
  int Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(pid_t message) const;

  Mutex mutex_;
  std::set<pid_t> sessions_ ABSL_GUARDED_BY(mutex_);
  bool warned_ ABSL_GUARDED_BY(mutex_) = false;
  // The guardian's process id; 0: there is none to reap.
  pid_t pid_ ABSL_GUARDED_BY(mutex_) = 0;
  // This process's end of the pipe; -1 without a guardian.
  std::atomic<int> pipe_ = -1;
};

}  // namespace layernas::process_internal
