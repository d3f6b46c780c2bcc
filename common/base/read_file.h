// Reads whole files.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace layernas {

// Returns the content of `path`, or its first `max_bytes` bytes if it is longer. `path` may be a
// pipe. An error gives the reason but does not name the file: "No such file or directory", "Is a
// directory". Its code is NOT_FOUND if the file cannot be opened, otherwise UNKNOWN. Thread-safe.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t max_bytes);

}  // namespace layernas
