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
  // Where backups go. Empty: none are made.
  std::string backup_dir;
  rpc::Address metrics_listen;
  rpc::ServerTls tls;
  // Lists the tokens that are let in. Empty: everyone is.
  std::string token_file;
  GateOptions gate;
  Quotas quotas;
  Millis lease_duration{0};
  // How long ended searches are kept; 0 = for ever.
  Millis retention{0};
  std::string ready_file;
  std::string log_level;
  bool check = false;
  // Start on a log that is damaged, without what follows.
  bool drop_damaged_log = false;
};

// What to do after the command line was read: go on with options, or exit with a code (help, version, configuration, a
// mistake; what there was to say has been printed).
struct ParsedCommandLine {
  ControllerOptions options;
  bool exit = false;
  int exit_code = 0;
};

ParsedCommandLine ParseCommandLine(int argc, char** argv);

}  // namespace layernas
