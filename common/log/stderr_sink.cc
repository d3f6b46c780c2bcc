#include "common/log/stderr_sink.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace layernas::log {

void StderrSink::sink_it_(const spdlog::details::log_msg& message) {
  const std::size_t lost = pool_.overrun_counter();
  if (lost != told_) {
    Write("log lines lost because they came faster than they could be written: " + std::to_string(lost - told_) + "\n");
    told_ = lost;
  }
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  Write({line.data(), line.size()});
}

void StderrSink::Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = write(STDERR_FILENO, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      // Another process that shares standard error has made it non-blocking.
      pollfd wait = {STDERR_FILENO, POLLOUT, 0};
      poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace layernas::log
