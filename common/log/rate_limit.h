// Keeps what others can provoke from filling the log.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace layernas::log {

// Thread-safe.
class RateLimit {
 public:
  explicit RateLimit(Millis period, const Clock& clock = Clock::Real()) : period_(period), clock_(clock) {}

  // If a line may be written: how many were left out since the last. At most one line per period.
  std::optional<std::uint64_t> Take() {
    MutexLock lock(mutex_);
    const SteadyTime now = clock_.Now();
    if (last_ && now - *last_ < period_) {
      ++left_out_;
      return std::nullopt;
    }
    last_ = now;
    const std::uint64_t left_out = left_out_;
    left_out_ = 0;
    return left_out;
  }

 private:
  const Millis period_;
  const Clock& clock_;

  Mutex mutex_;
  std::optional<SteadyTime> last_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace layernas::log
