// Crash points: places where tests can end a program abruptly, to check that no data is lost.
#pragma once

namespace layernas {

// The exit code of a process that ended at a crash point. No program of layernas uses it otherwise.
inline constexpr int kCrashExitCode = 85;

// Ends the process at once, like kill -9, if the environment contains LAYERNAS_CRASH_AT=NAME:n and
// this point is reached for the n-th time. Otherwise it costs one comparison.
//
// Every build contains the crash points, so that tests can test the program that users run. Nobody
// sets the variable by mistake, and a user who can set it can kill the process anyway.
void CrashPoint(const char* name);

}  // namespace layernas
