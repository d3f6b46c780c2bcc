// The processes of a session, which a child leads: all processes that the child has started, as far
// as the kernel knows.
#pragma once

#include <sys/types.h>

#include <span>

namespace layernas::process_internal {

// Sends the signal to every process of the sessions, also to those in their own process groups (as
// timeout(1) and a shell's job control create them). The first group of each session gets it in one
// call, so that none of its processes sees another one end first. Returns false if no process of
// the sessions runs; zombies do not count. Returns true if that is unknown because no file can be
// opened; then only the first groups get the signal. Does not find processes that start their own
// session (setsid), or that are started meanwhile. Async-signal-safe.
bool SignalSessions(std::span<const pid_t> sessions, int signal);

// Sends SIGKILL until no process of the sessions runs, for at most about two seconds: processes may
// start others while they are being killed, and a process can hang in the kernel.
// Async-signal-safe.
//
// Call this before a session's leader is reaped, because after that another session may get its id.
void EndSessions(std::span<const pid_t> sessions);

}  // namespace layernas::process_internal
