// Simulated time and events.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "common/base/clock.h"

namespace layernas::simulation {

// The clocks of a world, and its events in the order of their times. Events with equal times run in
// the order in which they were added. Not thread-safe.
class Timeline final : public Clock {
 public:
  using Event = std::function<void()>;

  SteadyTime Now() const override { return now_; }
  UnixMillis UnixNow() const override {
    return std::chrono::duration_cast<Millis>(now_.time_since_epoch()).count() + unix_ahead_.count();
  }
  // Moves the Unix clock ahead, or back if `by` is negative.
  void SetUnixClock(Millis by) { unix_ahead_ += by; }

  void After(Millis delay, Event event) { events_.push({now_ + delay, next_++, std::move(event)}); }
  void At(SteadyTime time, Event event) { events_.push({std::max(time, now_), next_++, std::move(event)}); }
  // Runs the next event. Returns false if there is none.
  bool Step() {
    if (events_.empty()) return false;
    // The queue has no access for moving out; the item is removed at once.
    Item item = std::move(const_cast<Item&>(events_.top()));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    events_.pop();
    now_ = item.time;
    item.event();
    return true;
  }

 private:
  struct Item {
    SteadyTime time;
    std::uint64_t number = 0;
    Event event;

    bool operator<(const Item& other) const { return time != other.time ? time > other.time : number > other.number; }
  };

  // Not zero, which means "never" in some records.
  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
  Millis unix_ahead_{std::chrono::hours(480'000)};
  std::uint64_t next_ = 0;
  std::priority_queue<Item> events_;
};

}  // namespace layernas::simulation
