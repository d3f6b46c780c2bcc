// All that a child has started, as far as the kernel tells: the processes of the session that the child leads.
#pragma once

#include <sys/types.h>

#include <span>

namespace layernas::process_internal {

// Sends the signal to every process of the sessions, whatever group it has made for itself (as timeout(1) and a shell's
// job control do). Each session's first group gets it at once, so that no process of it sees another end first.
// Returns false if no process of the sessions runs; a zombie does not. Returns true if that is unknown because no file
// can be opened; then only the first groups have the signal. Async-signal-safe. A process that begins a session of its
// own (setsid) is not found, and neither is one that is started meanwhile.
bool SignalSessions(std::span<const pid_t> sessions, int signal);

// SIGKILL until no process of the sessions runs, for about two seconds at most: they may start others while they are
// being killed, and a process can hang in the kernel. Async-signal-safe.
//
// To be called before a session's leader is reaped: after that the session's number may become another's.
void EndSessions(std::span<const pid_t> sessions);

}  // namespace layernas::process_internal
