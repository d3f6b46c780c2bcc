#include "controller/engine/clock_watch.h"

#include <algorithm>
#include <utility>

namespace layernas {

ClockWatch::ClockWatch(Instant now, std::optional<UnixMillis> last_written)
    : now_(now), start_(now.steady), last_written_(last_written), set_(now.steady) {
  if (last_written_) set_before_start_ = std::min(Millis{now.unix_ms - *last_written_}, Millis{0});
  if (set_before_start_ > -kSet) set_before_start_ = Millis{0};
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
  const bool is_soon = last_written_ && Millis{now_.unix_ms - *last_written_} <= kSoon;
  if (is_soon || now_.steady - set_ >= kProof || now_.steady - start_ >= kLongestProof) counts_ = true;
}

}  // namespace layernas
