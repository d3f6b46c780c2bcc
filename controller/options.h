// The controller's command line.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/rpc/address.h"
#include "common/rpc/tls.h"
#include "controller/access/gate.h"
#include "controller/engine/quotas.h"

namespace layernas {

struct ControllerOptions {
  rpc::Address listen;
  std::string data_dir;
  // Directory for backups. Empty: backups are disabled.
  std::string backup_dir;
  rpc::Address metrics_listen;
  rpc::ServerTls tls;
  // Lists the accepted tokens. Empty: callers need no token.
  std::string token_file;
  GateOptions gate;
  Quotas quotas;
  Millis lease_duration{0};
  // How long ended searches are kept; 0 = forever.
  Millis retention{0};
  std::string ready_file;
  std::string log_level;
  bool check = false;
  // Start on a damaged log and drop what was written after the damage.
  bool drop_damaged_log = false;
};

// The outcome of reading the command line: continue with `options`, or exit with `exit_code` after
// help, version, configuration or a mistake, which have already been printed.
struct ParsedCommandLine {
  ControllerOptions options;
  bool exit = false;
  int exit_code = 0;
};

ParsedCommandLine ParseCommandLine(int argc, char** argv);

}  // namespace layernas
