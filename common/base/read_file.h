// Reading a file as a whole.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace layernas {

// Returns the content of `path`, which may be a pipe, or its first `max_bytes` bytes if it is longer. An error says why
// the file can't be read and does not name it: "No such file or directory", "Is a directory". Its code is NOT_FOUND if
// the file can't be opened, otherwise UNKNOWN. Thread-safe.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t max_bytes);

}  // namespace layernas
