// Writes files so that no reader sees a part of them, and nothing is lost where writing fails.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace layernas {

// Puts a file at `path` in one step, in place of an older one: readers see all of the new content or all of the old.
// A symbolic link at `path` is itself replaced. Creates a temporary file with a random name beside `path`, never
// through a link that somebody planted. The folder must exist. An error says which file cannot be written and why; the
// older file is then left as it was.
absl::Status ReplaceFile(const std::string& path, std::string_view content);

// Writes to a path that a user names: as ReplaceFile, but follows symbolic links, and writes into what is not a regular
// file (a device, a pipe) instead of replacing it.
absl::Status WriteOutputFile(const std::string& path, std::string_view content);

// OK if files can be created below the folder, or below what there is of its path, as far as one can see without
// creating anything; else an error that names the folder and says why.
absl::Status CheckFolder(const std::string& folder);

// Creates a file; ALREADY_EXISTS, and nothing is written, if there is one.
absl::Status WriteNewFile(const std::string& path, std::string_view content);

}  // namespace layernas
