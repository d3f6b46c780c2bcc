// Ends what our children started when our own process ends, however that happens.
#pragma once

#include <sys/types.h>

namespace layernas::process_internal {

// A process that outlives ours by a moment: it waits until all copies of a pipe's end that only we hold are closed, as
// the kernel does it even after SIGKILL, and then kills every session that it was told of. The kernel's parent-death
// signal reaches a child alone, and not the programs that a wrapper or a trainer has started.
//
// One per process, forked on first use. It holds no files of ours, leads a session of its own and needs no privileges.
// A program that begins a session of its own (setsid) escapes it.
class Guardian {
 public:
  // Forks it if need be. Where that fails, for lack of processes or memory, children are started without it. Not safe
  // between a fork and an exec.
  static Guardian& Get();

  // Called in a child that leads a new session, before its exec. Async-signal-safe.
  void Guard() const;
  // Called before the leader of a session is reaped: after that its number may become another's. Thread-safe.
  void Forget(pid_t session) const;

 private:
  Guardian();

  // Our end of the pipe; -1 without a guardian.
  int pipe_ = -1;
};

}  // namespace layernas::process_internal
