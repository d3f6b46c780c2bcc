// Writes lines to standard error without waiting long for its reader.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace layernas::log {

// A reader that does not read (a pager, a stopped terminal, a collector that hangs) must not stop the program: the log
// says what happens, and is not what the program is there for. A line that cannot be written within a second is lost,
// the next ones at once, until there is room again; then a line says how many were lost. Errors are ignored, since
// there is no other place to tell of them.
//
// Bounded only while no other process writes to the same pipe at the same moment. Not thread-safe.
class StderrWriter {
 public:
  // Writes the line, which ends with its line feed.
  void Write(std::string_view line);

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  // False if not all could be written by then.
  bool WriteAll(std::string_view text, Deadline deadline);

  std::int64_t lost_ = 0;
  // Only a part of the last line was written.
  bool is_torn_ = false;
};

}  // namespace layernas::log
