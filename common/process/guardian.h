// Ends what our children started when our own process ends, however that happens.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <set>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"

namespace layernas::process_internal {

// A process that outlives ours by a moment: it waits until all copies of a pipe's end that only we hold are closed, as
// the kernel does it even after SIGKILL, and then kills every session that it was told of. The kernel's parent-death
// signal reaches a child alone, and not the programs that a wrapper or a trainer has started.
//
// One per process. It holds no files of ours, leads a session of its own and needs no privileges. Its command line is
// its own, so that no pattern that is meant for ours ends both. A program that begins a session of its own (setsid)
// escapes it.
class Guardian {
 public:
  static Guardian& Get();

  // Forks it where there is none, or it has ended; it then learns of all sessions that there are. Where that fails, for
  // lack of processes, memory or files, children are started without it, and the next call tries again; a warning says
  // so once. One thread at a time.
  void Ensure();

  // Called in a child that leads a new session, before its exec. Async-signal-safe.
  void Guard() const;
  // Called in our process for the same child. Thread-safe.
  void Add(pid_t session);
  // Called before the leader of a session is reaped: after that its number may become another's. Thread-safe.
  void Forget(pid_t session);

 private:
  Guardian() = default;

  // Returns 0, or what went wrong.
  int Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(pid_t message) const;

  Mutex mutex_;
  std::set<pid_t> sessions_ ABSL_GUARDED_BY(mutex_);
  bool warned_ ABSL_GUARDED_BY(mutex_) = false;
  // The guardian's process id; 0: there is none to be reaped.
  pid_t pid_ ABSL_GUARDED_BY(mutex_) = 0;
  // Our end of the pipe; -1 without a guardian.
  std::atomic<int> pipe_ = -1;
};

}  // namespace layernas::process_internal
