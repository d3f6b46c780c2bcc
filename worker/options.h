// The worker's command line.
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
  // One of the two.
  std::optional<ExecOptions> exec;
  std::optional<TableOptions> table;
  // Where evaluators keep the networks of winners, an absolute path that can be written to; empty: they are not kept.
  std::string weights_dir;
  // Why they are not kept though nobody said so: there is no default folder, or it cannot be written to. Empty
  // otherwise.
  std::string weights_fault;
  // Of each evaluation from a table.
  Millis delay{0};
  rpc::Address metrics_listen;
  // Empty: none is written.
  std::string ready_file;
  std::string log_level;
};

// Prints and exits on --help, --version, --print-config and what CLI11 refuses (exit code 2); INVALID_ARGUMENT names
// the option that can't be read, with the file or variable that it comes from; NOT_FOUND or PERMISSION_DENIED the
// program that can't be run; FAILED_PRECONDITION or PERMISSION_DENIED the --weights-dir that can't be written to.
absl::StatusOr<WorkerOptions> ParseOptions(int argc, char** argv);

}  // namespace layernas
