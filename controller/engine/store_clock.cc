#include "controller/engine/store_clock.h"

#include <algorithm>
#include <utility>

namespace layernas {

StoreClock::StoreClock(Instant now, storage::StoreTime last) : now_(now), time_(last), set_(now.steady) { Judge(); }

Millis StoreClock::Advance(Instant now) {
  const Millis passed = std::chrono::floor<Millis>(now.steady.time_since_epoch()) -
                        std::chrono::floor<Millis>(now_.steady.time_since_epoch());
  const Millis set = Millis{now.unix_ms - now_.unix_ms} - passed;
  now_ = now;
  time_.time += passed.count();
  const bool was_set = std::chrono::abs(set) >= kSet;
  if (was_set) set_ = now.steady;
  Judge();
  return was_set ? set : Millis{0};
}

void StoreClock::Judge() {
  if (now_.unix_ms < kPlausible) return;
  const auto ahead = [this] { return Millis{now_.unix_ms - time_.time}; };
  if (!machine_counts_) {
    // The store was made with a clock that was not plausible and did not count: nothing is known.
    const bool is_unknown = time_.machine_ahead == Millis{0} && time_.time < kPlausible;
    Millis gap = is_unknown ? Millis{0} : ahead() - time_.machine_ahead;
    if (std::chrono::abs(gap) > kSoon) {
      if (gap < Millis{0} || now_.steady - set_ < kProof) return;
      gap = std::min(gap, ahead() - time_.machine_most_ahead);
    }
    added_ = std::max(gap, Millis{0});
    time_.time += added_.count();
    if (is_unknown) time_.machine_most_ahead = ahead();
    machine_counts_ = true;
  }
  time_.machine_ahead = ahead();
  time_.machine_most_ahead = std::max(time_.machine_most_ahead, time_.machine_ahead);
}

}  // namespace layernas
