// The log of a program that this process has started.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "common/process/fd.h"

namespace layernas::client {

// A file that only its user can read: a log quotes what trainers say. Not thread-safe.
class LogFile {
 public:
  // Appends to the file, or creates it. UNKNOWN if it cannot be opened.
  static absl::StatusOr<std::unique_ptr<LogFile>> Open(const std::string& path);

  // Writes the line and a line feed. What cannot be written is lost: a full disk must not end a search.
  void Write(std::string_view line);

 private:
  LogFile(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}

  const std::string path_;
  Fd file_;
};

}  // namespace layernas::client
