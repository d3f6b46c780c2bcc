// Reads the files that control access: tokens, keys and certificates.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace layernas::security {

// If two versions are equal, the file has not been changed or replaced in between, nor have its
// owner and mode.
struct FileVersion {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0;
  // Also the time of the last change of owner or mode.
  std::int64_t changed_ns = 0;

  bool operator==(const FileVersion&) const = default;
};

// Returns nothing if the file does not exist.
std::optional<FileVersion> VersionOf(const std::string& path);

struct FileContent {
  std::string text;
  FileVersion version;
};

enum class Privacy {
  // Only the file's user and group may have access, because it contains secrets or controls who has
  // access.
  kPrivate,
  kPublic,
};

// Reads a regular file of at most `most_bytes`. Errors name the file, but never contain its
// content. NOT_FOUND; PERMISSION_DENIED: this process may not read it; FAILED_PRECONDITION: other
// users can access a private file; INVALID_ARGUMENT: it is too large or not a regular file.
absl::StatusOr<FileContent> ReadFile(const std::string& path, std::size_t most_bytes, Privacy privacy);

// Creates a file that only its user can access. Returns ALREADY_EXISTS, and overwrites nothing, if
// it exists.
absl::Status WriteNewPrivateFile(const std::string& path, std::string_view text);

}  // namespace layernas::security
