// The command line of layernas-worker.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/rpc/transport.h"
#include "worker/agent/agent.h"
#include "worker/evaluator/exec_evaluator.h"
#include "worker/evaluator/tabular_evaluator.h"

namespace layernas {

struct WorkerOptions {
  rpc::Address controller;
  rpc::ChannelSecurity security;
  AgentOptions agent;
  // Exactly one of the two is set.
  std::optional<ExecOptions> exec;
  std::optional<TableOptions> table;
  // The absolute path of a writable folder for the networks of winners. Empty: none are kept.
  std::string weights_dir;
  // Why no networks are kept although the user did not ask for that: there is no default folder, or
  // it cannot be written to. Otherwise empty.
  std::string weights_fault;
  // The duration of each evaluation from a table.
  Millis delay{0};
  rpc::Address metrics_listen;
  // Empty: no file is written.
  std::string ready_file;
  std::string log_level;
};

// Parses the command line, the environment and the configuration file. Prints and exits on --help,
// --version, --print-config and on arguments that CLI11 refuses (exit code 2). An error names the
// option, and the file or variable that it comes from. INVALID_ARGUMENT: a value is malformed.
// NOT_FOUND or PERMISSION_DENIED: the program of --command cannot be run. FAILED_PRECONDITION or
// PERMISSION_DENIED: the folder of --weights-dir cannot be written to.
absl::StatusOr<WorkerOptions> ParseOptions(int argc, char** argv);

}  // namespace layernas
