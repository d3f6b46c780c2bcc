// Time, injected so that tests decide it.
#pragma once

#include <chrono>
#include <cstdint>

namespace layernas {

// Milliseconds since the Unix epoch; for records that people read, never for deadlines.
using UnixMillis = std::int64_t;
// Never goes back; for deadlines.
using SteadyTime = std::chrono::steady_clock::time_point;
using Millis = std::chrono::milliseconds;

// One moment on both clocks.
struct Instant {
  SteadyTime steady;
  UnixMillis unix_ms = 0;
};

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() const = 0;
  virtual UnixMillis UnixNow() const = 0;
  Instant NowOnBoth() const { return {Now(), UnixNow()}; }

  // The machine's clocks; lives for ever.
  static const Clock& Real();
};

}  // namespace layernas
