// Writes files so that no reader sees an incomplete file, and a failed write loses no data.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace layernas {

// Writes a file atomically, in place of an older one: readers see either the old or the new
// content. A symbolic link at `path` is itself replaced. Creates a temporary file with a random
// name next to `path`, and never follows a planted link. The folder must exist and be writable, even
// if the older file is. An error names the file and says why it cannot be written; the older file is
// then unchanged.
absl::Status ReplaceFile(const std::string& path, std::string_view content);

// Writes to a path that a user has given. Works like ReplaceFile(), but follows symbolic links. If
// the path is not a regular file (but a device or a pipe), writes into it instead of replacing it.
absl::Status WriteOutputFile(const std::string& path, std::string_view content);

// Returns OK if files apparently can be created below the folder, or below the existing part of its
// path. Creates nothing. Otherwise returns an error that names the folder and says why.
absl::Status CheckFolder(const std::string& folder);

// Creates a file. If it already exists, returns ALREADY_EXISTS and writes nothing.
absl::Status WriteNewFile(const std::string& path, std::string_view content);

}  // namespace layernas
