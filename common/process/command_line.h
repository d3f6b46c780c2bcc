// Commands that people write as one text.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace layernas {

// Words separated by spaces; quotes (single, or double with backslashes) and backslashes keep spaces, as in a shell.
// Nothing is expanded.
absl::StatusOr<std::vector<std::string>> SplitCommand(const std::string& command);

// A word as a shell reads it: in single quotes where it has characters that a shell may change.
std::string ShellQuoted(const std::string& word);

}  // namespace layernas
