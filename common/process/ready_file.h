// A file with which a program says that it is ready, and at which addresses.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace layernas {

// Writes the file atomically, so that a reader sees either nothing or the whole content. Replaces
// an older file. The folder must exist.
absl::Status WriteReadyFile(std::string_view path, std::string_view content);

}  // namespace layernas
