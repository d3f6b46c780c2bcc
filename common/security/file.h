// Reading the files that decide who comes in: tokens, keys, certificates.
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

// Two equal ones mean: not written or replaced in between.
struct FileVersion {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0;

  bool operator==(const FileVersion&) const = default;
};

// Nothing if there is no such file.
std::optional<FileVersion> VersionOf(const std::string& path);

struct FileContent {
  std::string text;
  FileVersion version;
};

enum class Privacy {
  // Others than the file's user and group must have no access at all, for it holds secrets or says who may come in.
  kPrivate,
  kPublic,
};

// A regular file of at most `most_bytes`. Errors name the file, never its content: NOT_FOUND, PERMISSION_DENIED where
// we may not read it, FAILED_PRECONDITION where others may do more than they should, INVALID_ARGUMENT where it is no
// such file.
absl::StatusOr<FileContent> ReadFile(const std::string& path, std::size_t most_bytes, Privacy privacy);

// A new file that nobody but its user has access to. ALREADY_EXISTS where there is one: nothing is overwritten.
absl::Status WriteNewPrivateFile(const std::string& path, std::string_view text);

}  // namespace layernas::security
