// The log of a program that this process has started.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "common/process/fd.h"

namespace layernas::client {

// A file that only its user can read, since a log quotes what trainers say. It is bounded: before a line would make it
// larger than `most_bytes`, the file is renamed to PATH.1, in place of the one that was renamed before. Not
// thread-safe.
class LogFile {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{64} << 20;

  // Appends to the file, or creates it. UNKNOWN if it cannot be opened.
  static absl::StatusOr<std::unique_ptr<LogFile>> Open(const std::string& path, std::size_t most_bytes = kMostBytes);

  // Writes the line and a line feed. What cannot be written is lost: a full disk must not end a search.
  void Write(std::string_view line);

 private:
  LogFile(std::string path, std::size_t most_bytes, Fd file, std::size_t size)
      : path_(std::move(path)), most_bytes_(most_bytes), file_(std::move(file)), size_(size) {}

  void Rotate();

  const std::string path_;
  const std::size_t most_bytes_;
  Fd file_;
  std::size_t size_;
};

}  // namespace layernas::client
