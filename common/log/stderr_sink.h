// The destination of log lines: standard error.
#pragma once

#include <spdlog/async.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <cstddef>
#include <string_view>

namespace layernas::log {

// Writes each line to standard error, and waits until its reader has taken it. So only the thread
// of an asynchronous logger may use it. If the logger's queue has lost lines, a line before the
// next one says how many. Ignores errors, because there is no other place to report them.
class StderrSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  // `pool` contains the logger's queue and must outlive the sink.
  explicit StderrSink(spdlog::details::thread_pool& pool) : pool_(pool), told_(pool.overrun_counter()) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  void Write(std::string_view text);

  spdlog::details::thread_pool& pool_;
  // The number of lost lines that has already been reported.
  std::size_t told_;
};

}  // namespace layernas::log
