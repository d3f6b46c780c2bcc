// Completion of the command line in shells.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/reference/command_tree.h"

namespace layernas::client {

// A script for `shell`: bash, zsh or fish. Where a search is wanted it asks the controller for their names.
absl::StatusOr<std::string> Completion(const std::vector<CommandInfo>& tree, const std::string& shell);

}  // namespace layernas::client
