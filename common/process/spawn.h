// fork and exec, done with the care that a process with threads needs.
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

// Both ends close on exec and lie above the standard descriptors.
absl::StatusOr<Pipe> MakePipe();

// Where the program lies; the error names it and says why it can't be started.
absl::StatusOr<std::string> FindProgram(const std::string& program);

struct SpawnOptions {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment;
  // What becomes the child's standard input, output and error.
  int input = -1;
  int output = -1;
  int error = -1;
  // False: a process group only.
  bool own_session = true;
};

// Starts the program as the leader of a new session and process group, all of which is killed when our process dies
// (guardian.h): Guardian::Forget must be called before it is reaped. It has default signal handling, no descriptors but
// the standard ones, and the limit of open files that our process was started with. Returns its process id once exec
// has succeeded.
absl::StatusOr<pid_t> Spawn(const SpawnOptions& options);

}  // namespace layernas::process_internal
