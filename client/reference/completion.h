// Shell completion of the command line.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/reference/command_tree.h"

namespace layernas::client {

// Returns a script for `shell`: bash, zsh or fish. The script asks the controller for the names of
// searches. INVALID_ARGUMENT for another shell.
absl::StatusOr<std::string> Completion(const std::vector<CommandInfo>& tree, const std::string& shell);

}  // namespace layernas::client
