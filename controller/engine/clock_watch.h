// Watches the machine's clock. It tells setting the clock from passing time, and says whether the
// clock may be wrong since the start: until it has asked for the time, a machine may be years off.
#pragma once

#include <optional>

#include "common/base/clock.h"

namespace layernas {

// Not thread-safe.
class ClockWatch {
 public:
  // `last_written`: the machine's clock at the last write before the start; nothing if it is unknown.
  ClockWatch(Instant now, std::optional<UnixMillis> last_written);

  // Returns how far the clock was set ahead since the last call; negative: back. Small differences are
  // not a setting.
  Millis Advance(Instant now);

  // Returns how far the clock was set at least while nobody watched it: negative if it shows a time
  // before the last write, otherwise 0.
  Millis set_before_start() const { return set_before_start_; }

  // Returns whether times from before the start may be compared with the clock now. What cannot be
  // undone must not be done on a clock that may be ahead. A clock counts at once if it shows a time
  // soon after the last write, or before it. Otherwise it counts after kProof without being set, or
  // after kLongestProof if it is set again and again.
  bool counts() const { return counts_; }

  // Smaller differences between the clocks are normal: they are not read at the same moment, and one
  // of them is adjusted in small steps.
  static constexpr Millis kSet{2'000};
  static constexpr Millis kSoon{15 * 60'000};
  static constexpr Millis kProof{5 * 60'000};
  static constexpr Millis kLongestProof{60 * 60'000};

 private:
  void Judge();

  Instant now_;
  const SteadyTime start_;
  const std::optional<UnixMillis> last_written_;
  Millis set_before_start_{0};
  // When the clock was set last, or the start.
  SteadyTime set_;
  bool counts_ = false;
};

}  // namespace layernas
