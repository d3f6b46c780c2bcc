// Places where the programs can be made to die, to test that nothing is lost there.
#pragma once

namespace layernas {

// Exit code of a process that died at a crash point; nothing of ours ends with it otherwise.
inline constexpr int kCrashExitCode = 85;

// Ends the process at once, like kill -9, when it is reached for the n-th time and the environment says
// LAYERNAS_CRASH_AT=NAME:n. Otherwise costs one comparison.
//
// It is in every build, for what is worth testing is the very program that people run. An environment that nobody sets
// by mistake switches it on, and who can set it can kill the process anyway.
void CrashPoint(const char* name);

}  // namespace layernas
