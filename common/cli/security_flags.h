// Flags that all programs with a connection to the controller share.
#pragma once

#include <CLI/CLI.hpp>

#include "common/rpc/transport.h"

namespace layernas::cli {

// Adds --tls-ca, --tls-cert, --tls-key, --token-file and --insecure-token, which can also be set in
// the environment. There is no flag for the token itself, because all users of the machine can see
// command lines.
void AddSecurityFlags(CLI::App& app, rpc::ChannelSecurity& security);

}  // namespace layernas::cli
