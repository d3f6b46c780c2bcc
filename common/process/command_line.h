// Commands that users write as one text.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace layernas {

// Splits a command into words at spaces. Quotes (single, or double with backslashes) and
// backslashes keep spaces, as in a shell. Nothing is expanded.
absl::StatusOr<std::vector<std::string>> SplitCommand(const std::string& command);

// Returns a word as a shell reads it: in single quotes if it contains characters that a shell may
// change.
std::string ShellQuoted(const std::string& word);

}  // namespace layernas
