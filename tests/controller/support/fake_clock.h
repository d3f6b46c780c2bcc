// A clock that only moves when a test moves it.
#pragma once

#include <atomic>

#include "common/base/clock.h"

namespace layernas {

inline SteadyTime At(int ms) { return SteadyTime(Millis(ms)); }

class FakeClock final : public Clock {
 public:
  static constexpr UnixMillis kStart = 1'700'000'000'000;

  SteadyTime Now() const override { return SteadyTime(Millis(1'000'000 + passed_.load())); }
  UnixMillis UnixNow() const override { return kStart + passed_.load() + set_.load(); }

  void Pass(Millis time) { passed_ += time.count(); }
  // Sets the machine's clock ahead or back, as a user might.
  void Set(Millis by) { set_ += by.count(); }

 private:
  std::atomic<std::int64_t> passed_{0};
  std::atomic<std::int64_t> set_{0};
};

}  // namespace layernas
