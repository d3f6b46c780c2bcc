// Flags that programs which call the controller have in common.
#pragma once

#include <CLI/CLI.hpp>

#include "common/rpc/transport.h"

namespace layernas::cli {

// --tls-ca, --tls-cert, --tls-key, --token-file, --insecure-token; each can be given in the environment too. The token
// itself can not, for command lines are shown to everyone on the machine.
void AddSecurityFlags(CLI::App& app, rpc::ChannelSecurity& security);

}  // namespace layernas::cli
