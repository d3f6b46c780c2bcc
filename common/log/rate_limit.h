// Limits how many log lines other parties can cause.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace layernas::log {

// Thread-safe.
class RateLimit {
 public:
  explicit RateLimit(Millis period, const Clock& clock = Clock::Real()) : RateLimit(period, 1, clock) {}
  // `lines` is the maximum number of lines per period.
  RateLimit(Millis period, int lines, const Clock& clock = Clock::Real())
      : period_(period), lines_(lines), clock_(clock) {}

  // If a line may be written now, returns how many lines have been omitted since the last one.
  std::optional<std::uint64_t> Take() {
    MutexLock lock(mutex_);
    const SteadyTime now = clock_.Now();
    if (!begin_ || now - *begin_ >= period_) {
      begin_ = now;
      written_ = 0;
    }
    if (written_ == lines_) {
      ++left_out_;
      return std::nullopt;
    }
    ++written_;
    const std::uint64_t left_out = left_out_;
    left_out_ = 0;
    return left_out;
  }

 private:
  const Millis period_;
  const int lines_;
  const Clock& clock_;

  Mutex mutex_;
  // The beginning of the current period, and the number of lines written in it.
  std::optional<SteadyTime> begin_ ABSL_GUARDED_BY(mutex_);
  int written_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace layernas::log
