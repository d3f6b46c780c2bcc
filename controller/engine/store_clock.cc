#include "controller/engine/store_clock.h"

#include <algorithm>
#include <utility>

namespace layernas {

StoreClock::StoreClock(Instant now, Reading last)
    : now_(now),
      time_(last.time),
      machine_ahead_(last.machine_ahead),
      machine_most_ahead_(last.machine_most_ahead),
      set_(now.steady) {
  Judge();
}

Millis StoreClock::Advance(Instant now) {
  const Millis passed = std::chrono::floor<Millis>(now.steady.time_since_epoch()) -
                        std::chrono::floor<Millis>(now_.steady.time_since_epoch());
  const Millis set = Millis{now.unix_ms - now_.unix_ms} - passed;
  now_ = now;
  time_ += passed.count();
  const bool was_set = std::chrono::abs(set) >= kSet;
  if (was_set) set_ = now.steady;
  Judge();
  return was_set ? set : Millis{0};
}

void StoreClock::Judge() {
  if (now_.unix_ms < kPlausible) return;
  if (!machine_counts_) {
    // The store was made with a clock that was not plausible and did not count: nothing is known.
    const bool is_unknown = machine_ahead_ == Millis{0} && time_ < kPlausible;
    Millis gap = is_unknown ? Millis{0} : Millis{now_.unix_ms - time_} - machine_ahead_;
    if (std::chrono::abs(gap) > kSoon) {
      if (gap < Millis{0} || now_.steady - set_ < kProof) return;
      gap = std::min(gap, Millis{now_.unix_ms - time_} - machine_most_ahead_);
    }
    added_ = std::max(gap, Millis{0});
    time_ += added_.count();
    if (is_unknown) machine_most_ahead_ = Millis{now_.unix_ms - time_};
    machine_counts_ = true;
  }
  machine_ahead_ = Millis{now_.unix_ms - time_};
  machine_most_ahead_ = std::max(machine_most_ahead_, machine_ahead_);
}

}  // namespace layernas
