// fork() and exec() for a process with threads.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/process/fd.h"

namespace layernas::process_internal {

struct Pipe {
  Fd read;
  Fd write;
};

// Both ends close on exec and are above the standard descriptors.
absl::StatusOr<Pipe> MakePipe();

// Returns the path of the program. An error names the program and says why it cannot be started.
absl::StatusOr<std::string> FindProgram(const std::string& program);

struct SpawnOptions {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment;
  // Become the child's standard input, output and error.
  int input = -1;
  int output = -1;
  int error = -1;
  // False: the child leads a process group, but no session.
  bool own_session = true;
};

// Starts the program as the leader of a new session and process group. All of its session is killed
// when this process dies (see guardian.h), so call Guardian::Forget() before the program is reaped.
// It has default signal handling, only the standard descriptors, and the limit of open files that
// this process was started with. Returns its process id when exec has succeeded.
absl::StatusOr<pid_t> Spawn(const SpawnOptions& options);

}  // namespace layernas::process_internal
