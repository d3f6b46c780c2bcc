#include "controller/engine/clock_watch.h"

#include <utility>

namespace layernas {

ClockWatch::ClockWatch(Instant now, std::optional<LastWrite> last_write)
    : now_(now), start_(now.steady), before_(last_write), set_(now.steady) {
  if (before_) ahead_ = before_->ahead;
  if (before_ && ahead_ >= kSet) {
    const Millis since{now.unix_ms - before_->time};
    if (since <= -kSet && since >= -ahead_ - kSet) {
      set_before_start_ = -std::exchange(ahead_, Millis{0});
      counts_ = true;
    }
  }
  Judge();
}

Millis ClockWatch::Advance(Instant now) {
  const Instant before = std::exchange(now_, now);
  const Millis set =
      Millis{now.unix_ms - before.unix_ms} - std::chrono::duration_cast<Millis>(now.steady - before.steady);
  const bool was_set = std::chrono::abs(set) >= kSet;
  if (was_set) {
    set_ = now.steady;
    // A clock that does not count is set right.
    if (counts_) ahead_ += set;
  }
  Judge();
  return was_set ? set : Millis{0};
}

void ClockWatch::Judge() {
  if (now_.steady - start_ >= kLongestProof) counts_ = true;
  const Millis since = before_ ? Millis{now_.unix_ms - before_->time} : Millis::max();
  if (since <= -kSet) return;
  if (since <= kSoon || now_.steady - set_ >= kProof) counts_ = true;
}

}  // namespace layernas
