// Clocks that tests can replace.
#pragma once

#include <chrono>
#include <cstdint>

namespace layernas {

// Milliseconds since the Unix epoch. Use it for records that people read, never for deadlines.
using UnixMillis = std::int64_t;
// Never decreases. Use it for deadlines.
using SteadyTime = std::chrono::steady_clock::time_point;
using Millis = std::chrono::milliseconds;

// One moment on both clocks.
struct Instant {
  SteadyTime steady;
  UnixMillis unix_ms = 0;
};

// A source of time. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() const = 0;
  virtual UnixMillis UnixNow() const = 0;
  Instant NowOnBoth() const { return {Now(), UnixNow()}; }

  // Returns the machine's clocks. The object lives as long as the process.
  static const Clock& Real();
};

}  // namespace layernas
