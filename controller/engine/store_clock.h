// The time of the store. It begins as the machine's clock and then only passes: it is never set. The
// time of searches and their age are measured in it, so that a wrong clock, or setting it, ends no
// search and makes none old.
#pragma once

#include "common/base/clock.h"

namespace layernas {

// Not thread-safe.
class StoreClock {
 public:
  // Stored with each write, for the next process.
  struct Reading {
    // The time of the store.
    UnixMillis time = 0;
    // How far the machine's clock was ahead of it when that clock counted last, and at most; negative:
    // behind.
    Millis machine_ahead{0};
    Millis machine_most_ahead{0};
  };

  // Goes on from the last reading. How long nobody took the time is known only from the machine's
  // clock, and that may be years off until the machine has asked for the time. So the time between
  // the processes counts at once if it is at most kSoon. If it seems longer, it counts when the
  // machine's clock was not set for kProof; then it is measured with the clock that was ahead the
  // most, so that setting the clock does not count as time. If the clock seems to have gone back, or
  // shows a time before kPlausible, nothing counts. A store that was made with a clock that was behind
  // and was set right between two processes cannot be told from one that stood.
  StoreClock(Instant now, Reading last);

  // Returns how far the machine's clock was set ahead since the last call; negative: back. Small
  // differences are not a setting.
  Millis Advance(Instant now);

  UnixMillis time() const { return time_; }
  Reading reading() const { return {time_, machine_ahead_, machine_most_ahead_}; }
  // Whether the machine's clock counts: the time between the processes is known.
  bool machine_counts() const { return machine_counts_; }
  // Returns how much time between the processes was added when that became true. Times of the store
  // that were taken while the clock did not count lack it (storage::StoredSearch::start_is_early).
  Millis added() const { return added_; }

  // Smaller differences between the clocks are normal: they are not read at the same moment, and one
  // of them is adjusted in small steps.
  static constexpr Millis kSet{2'000};
  static constexpr Millis kSoon{15 * 60'000};
  static constexpr Millis kProof{5 * 60'000};
  // In September 2020.
  static constexpr UnixMillis kPlausible = 1'600'000'000'000;

 private:
  void Judge();

  Instant now_;
  UnixMillis time_;
  Millis machine_ahead_;
  Millis machine_most_ahead_;
  // When the machine's clock was set last, or the start.
  SteadyTime set_;
  bool machine_counts_ = false;
  Millis added_{0};
};

}  // namespace layernas
