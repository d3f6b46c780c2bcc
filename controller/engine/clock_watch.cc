#include "controller/engine/clock_watch.h"

#include <utility>

namespace layernas {

ClockWatch::ClockWatch(Instant now, std::optional<UnixMillis> last_written)
    : now_(now), start_(now.steady), last_written_(last_written), set_(now.steady) {
  Judge();
}

Millis ClockWatch::Advance(Instant now) {
  const Instant before = std::exchange(now_, now);
  const Millis set =
      Millis{now.unix_ms - before.unix_ms} - std::chrono::duration_cast<Millis>(now.steady - before.steady);
  const bool was_set = std::chrono::abs(set) >= kSet;
  if (was_set) set_ = now.steady;
  Judge();
  return was_set ? set : Millis{0};
}

void ClockWatch::Judge() {
  if (now_.steady - start_ >= kLongestProof) counts_ = true;
  const Millis since_write = last_written_ ? Millis{now_.unix_ms - *last_written_} : Millis::max();
  if (since_write <= -kSet) return;
  if (since_write <= kSoon || now_.steady - set_ >= kProof) counts_ = true;
}

}  // namespace layernas
