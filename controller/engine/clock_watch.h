// Watches the machine's clock. It tells setting the clock from passing time, and says whether the
// clock may be wrong since the start: until it has asked for the time, a machine may be years off.
#pragma once

#include <optional>

#include "common/base/clock.h"

namespace layernas {

// What the clock showed at the last write of a process.
struct LastWrite {
  UnixMillis time = 0;
  // How far the clock had been set ahead until then, in all processes; negative: back.
  Millis ahead{0};
};

// Not thread-safe.
class ClockWatch {
 public:
  // `last_write`: of the process before; nothing if it is unknown.
  ClockWatch(Instant now, std::optional<LastWrite> last_write);

  // Returns how far the clock was set ahead since the last call; negative: back. Small differences are
  // not a setting.
  Millis Advance(Instant now);
  // Returns how far the clock was set while nobody watched it: negative if it had been set ahead, and
  // was set right before the start. Otherwise 0.
  Millis set_before_start() const { return set_before_start_; }

  // Returns whether times from before the start may be compared with the clock now. What cannot be
  // undone must not be done on a clock that may be wrong, and such a clock must not be the measure for
  // the next start. A clock counts at once if it shows a time soon after the last write. If it shows a
  // later one, it counts after kProof without being set; if it shows an earlier one, or is set again
  // and again, after kLongestProof.
  bool counts() const { return counts_; }
  // For the next process, while the clock counts.
  LastWrite last_write() const { return {now_.unix_ms, ahead_}; }

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
  const std::optional<LastWrite> before_;
  Millis set_before_start_{0};
  Millis ahead_{0};
  // When the clock was set last, or the start.
  SteadyTime set_;
  bool counts_ = false;
};

}  // namespace layernas
