// The time of the store. It begins as the machine's clock and then only passes: it is never set. The
// time of searches and their age are measured in it, so that a wrong clock, or setting it, ends no
// search and makes none old.
#pragma once

#include "controller/storage/records.h"

namespace layernas {

// Not thread-safe.
class StoreClock {
 public:
  // Goes on from what the last process wrote. How much time passed since then is known only from the
  // machine's clock, and that may be years off until the machine has asked for the time. So this time
  // counts at once if it is at most kSoon. If it seems longer, it counts when the machine's clock was
  // not set for kProof. Then it is the shorter of two times: since the clock counted last, and since
  // it was ahead the most. So setting the clock does not count as time. If the clock seems to have
  // gone back, or shows a time before kPlausible, nothing counts.
  //
  // Limit: a store that was made with a clock that was behind, and was set right between two
  // processes, cannot be told from one whose controller was stopped.
  StoreClock(Instant now, storage::StoreTime last);

  // Returns how far the machine's clock was set ahead since the last call; negative: back. Small
  // differences are not a setting.
  Millis Advance(Instant now);

  // The time of the store, and what the next process must know of the machine's clock.
  const storage::StoreTime& time() const { return time_; }
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
  storage::StoreTime time_;
  // When the machine's clock was set last, or the start.
  SteadyTime set_;
  bool machine_counts_ = false;
  Millis added_{0};
};

}  // namespace layernas
