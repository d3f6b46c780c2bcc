// The log file of a program that this process started.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "common/process/fd.h"

namespace layernas::client {

// A log file that only its user can read, because a log can quote the output of trainers. Its size
// is limited: before a line would make the file larger than `max_bytes`, it is renamed to PATH.1,
// which replaces an older PATH.1. Not thread-safe.
class LogFile {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

  // Opens the file for appending, or creates it. UNKNOWN if it cannot be opened.
  static absl::StatusOr<std::unique_ptr<LogFile>> Open(const std::string& path, std::size_t max_bytes = kMaxBytes);

  // Writes the line and a line feed. Ignores write errors: a full disk must not end a search.
  void Write(std::string_view line);

 private:
  LogFile(std::string path, std::size_t max_bytes, Fd file, std::size_t size)
      : path_(std::move(path)), max_bytes_(max_bytes), file_(std::move(file)), size_(size) {}

  void Rotate();

  const std::string path_;
  const std::size_t max_bytes_;
  Fd file_;
  std::size_t size_;
};

}  // namespace layernas::client
