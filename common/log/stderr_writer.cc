#include "common/log/stderr_writer.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace layernas::log {
namespace {

constexpr std::chrono::milliseconds kPatience{1'000};

// False if there is no room by then. The descriptor stays blocking: others share it. A pipe that has room at all takes
// PIPE_BUF bytes.
bool AwaitRoom(std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd wait = {STDERR_FILENO, POLLOUT, 0};
    const int ready = poll(&wait, 1, static_cast<int>(std::max<long>(left, 0)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

}  // namespace

void StderrWriter::Write(std::string_view line) {
  const Deadline deadline = std::chrono::steady_clock::now() + (lost_ > 0 ? std::chrono::milliseconds(0) : kPatience);
  if (lost_ > 0) {
    const std::string told =
        "lines of the log that were lost because nobody read them: " + std::to_string(lost_) + "\n";
    if (!WriteAll(told, deadline)) {
      ++lost_;
      return;
    }
    lost_ = 0;
  }
  if (!WriteAll(line, deadline)) ++lost_;
}

bool StderrWriter::WriteAll(std::string_view text, Deadline deadline) {
  // What comes next must not look like the rest of a line.
  std::string whole(is_torn_ ? "\n" : "");
  whole += text;
  std::string_view rest = whole;
  while (!rest.empty()) {
    if (!AwaitRoom(deadline)) return false;
    const ssize_t count = write(STDERR_FILENO, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
    if (count < 0 && errno == EINTR) continue;
    // Of a descriptor that somebody made non-blocking, although it has room.
    if (count < 0 && errno == EAGAIN) return false;
    if (count < 0) break;
    rest.remove_prefix(static_cast<std::size_t>(count));
    is_torn_ = !rest.empty();
  }
  is_torn_ = false;
  return true;
}

}  // namespace layernas::log
