#include "controller/engine/store_clock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "tests/controller/support/fake_clock.h"

namespace layernas {
namespace {

constexpr Millis kOneDay = std::chrono::hours{24};
constexpr Millis kOneMilli{1};

class StoreClockTest : public ::testing::Test {
 protected:
  StoreClockTest() { StartNew(); }

  // A process on an empty store.
  void StartNew() {
    store_.emplace(clock_.NowOnBoth(), storage::StoreTime{clock_.UnixNow(), Millis{0}, Millis{0}});
    Write();
  }
  // The process is killed, `stopped` passes, and the next one starts. Meanwhile the machine's clock is
  // set.
  void KillAndStart(Millis stopped, Millis set = Millis{0}) {
    clock_.Pass(stopped);
    clock_.Set(set);
    store_.emplace(clock_.NowOnBoth(), written_);
    Write();
  }
  // The same after a stop that is not a kill, which writes the time once more.
  void Restart(Millis stopped, Millis set = Millis{0}) {
    Write();
    KillAndStart(stopped, set);
  }
  Millis Pass(Millis time) {
    Millis set{0};
    while (time > Millis{0}) {
      const Millis step = std::min(time, kWriteEvery);
      clock_.Pass(step);
      set += Advance();
      if (step == kWriteEvery) Write();
      time -= step;
    }
    return set;
  }
  Millis Set(Millis by) {
    clock_.Set(by);
    return Advance();
  }
  // The time of the store since the beginning.
  Millis Time() const { return Millis{store_->time().time - FakeClock::kStart}; }

  FakeClock clock_;
  std::optional<StoreClock> store_;

 private:
  // As TurnRecorder writes, if there is nothing else to write.
  static constexpr Millis kWriteEvery{60'000};
  void Write() { written_ = store_->time(); }
  Millis Advance() {
    const bool counted = store_->machine_counts();
    const Millis set = store_->Advance(clock_.NowOnBoth());
    if (set != Millis{0} || counted != store_->machine_counts()) Write();
    return set;
  }

  storage::StoreTime written_;
};

TEST_F(StoreClockTest, PassesAndIsNeverSet) {
  Pass(Millis{5'000});
  EXPECT_EQ(Set(kOneDay), kOneDay);
  EXPECT_EQ(Set(-3 * kOneDay), -3 * kOneDay);
  EXPECT_EQ(Pass(Millis{5'000}), Millis{0});
  EXPECT_EQ(Time(), Millis{10'000});
  EXPECT_TRUE(store_->machine_counts());
}

TEST_F(StoreClockTest, SmallDifferencesAreNoSetting) {
  EXPECT_EQ(Set(StoreClock::kSet - kOneMilli), Millis{0});
  EXPECT_EQ(Set(-StoreClock::kSet), -StoreClock::kSet);
}

TEST_F(StoreClockTest, AShortStopCountsAtOnce) {
  Restart(StoreClock::kSoon);
  EXPECT_TRUE(store_->machine_counts());
  EXPECT_EQ(Time(), StoreClock::kSoon);
}

TEST_F(StoreClockTest, ALongStopCountsWhenTheClockWasNotSetForAWhile) {
  Restart(kOneDay);
  Pass(StoreClock::kProof - kOneMilli);
  EXPECT_EQ(Time(), StoreClock::kProof - kOneMilli);
  EXPECT_FALSE(store_->machine_counts());
  Pass(kOneMilli);
  EXPECT_EQ(Time(), kOneDay + StoreClock::kProof);
  EXPECT_TRUE(store_->machine_counts());
}

TEST_F(StoreClockTest, AClockThatIsAheadAtTheStartAddsNothing) {
  Restart(Millis{1'000}, kOneDay);
  Pass(Millis{60'000});
  Set(-kOneDay);
  EXPECT_TRUE(store_->machine_counts());
  EXPECT_EQ(Time(), Millis{61'000});
  // Each setting begins the proof again.
  Restart(Millis{1'000}, kOneDay);
  Pass(StoreClock::kProof - kOneMilli);
  Set(kOneDay);
  Pass(StoreClock::kProof - kOneMilli);
  EXPECT_FALSE(store_->machine_counts());
}

TEST_F(StoreClockTest, AClockThatIsBehindAtTheStartAddsNothing) {
  Restart(Millis{1'000}, -kOneDay);
  // However long.
  Pass(2 * StoreClock::kProof);
  EXPECT_FALSE(store_->machine_counts());
  Set(kOneDay);
  EXPECT_TRUE(store_->machine_counts());
  EXPECT_EQ(Time(), Millis{1'000} + 2 * StoreClock::kProof);
}

TEST_F(StoreClockTest, AfterAKillTheTimeSinceTheLastWriteIsPartOfTheStop) {
  Pass(Millis{59'000});
  KillAndStart(Millis{1'000});
  EXPECT_EQ(Time(), Millis{60'000});
  // If the stop does not count, neither does that time.
  Pass(Millis{59'000});
  KillAndStart(Millis{1'000}, -kOneDay);
  EXPECT_EQ(Time(), Millis{60'000});
}

TEST_F(StoreClockTest, AClockThatIsALittleBehindCountsAndAddsNothing) {
  Set(kOneDay);
  Set(-kOneDay);
  Restart(Millis{0}, Millis{-10'000});
  EXPECT_TRUE(store_->machine_counts());
  EXPECT_EQ(Time(), Millis{0});
}

TEST_F(StoreClockTest, AStoreThatWasMadeIn1970DoesNotBecomeOld) {
  clock_.Set(Millis{-FakeClock::kStart});
  StartNew();
  const UnixMillis begin = store_->time().time;
  Pass(Millis{5'000});
  Restart(Millis{1'000}, Millis{FakeClock::kStart});
  Pass(2 * StoreClock::kProof);
  EXPECT_TRUE(store_->machine_counts());
  EXPECT_EQ(store_->time().time - begin, (Millis{5'000} + 2 * StoreClock::kProof).count());
  // From here on, stops count.
  Restart(kOneDay);
  Pass(StoreClock::kProof);
  EXPECT_EQ(store_->time().time - begin, (Millis{5'000} + 3 * StoreClock::kProof + kOneDay).count());
}

TEST_F(StoreClockTest, AClockThatWasSetBackAndIsRightAtTheNextStartAddsOnlyTheStop) {
  Set(-kOneDay);
  Restart(Millis{3'600'000}, kOneDay);
  Pass(StoreClock::kProof);
  EXPECT_EQ(Time(), Millis{3'600'000} + StoreClock::kProof);
}

// Whatever happens to the clock, the time of the store never passes faster than time itself, but for
// an error of kSoon at each start, unless a process runs for kProof with a clock that is ahead.
TEST_F(StoreClockTest, NoSequenceOfStartsAndSettingsMakesTimePassFaster) {
  std::uint32_t random = 12345;
  const auto draw = [&random](std::uint32_t below) {
    random = random * 1664525 + 1013904223;
    return static_cast<std::int64_t>(random / 7 % below);
  };
  for (int world = 0; world < 2'000; ++world) {
    StartNew();
    const UnixMillis begin = store_->time().time;
    const SteadyTime begun = clock_.Now();
    // By how much the clock is wrong; not above 0.
    Millis wrong{0};
    const auto set = [&] {
      const Millis next = draw(2) == 0 ? Millis{0} : Millis{-draw(200'000'000)};
      return next - std::exchange(wrong, next);
    };
    int starts = 1;
    for (int step = 0; step < 12; ++step) {
      const std::int64_t what = draw(4);
      if (what == 0) {
        Set(set());
      } else if (what == 1) {
        Pass(Millis{draw(10'000'000)});
      } else {
        const Millis stopped{draw(2'000'000)};
        const Millis by = what == 2 ? Millis{0} : set();
        draw(2) == 0 ? Restart(stopped, by) : KillAndStart(stopped, by);
        ++starts;
      }
      const Millis real = std::chrono::duration_cast<Millis>(clock_.Now() - begun);
      ASSERT_LE(Millis{store_->time().time - begin}, real + starts * StoreClock::kSoon) << world << " " << step;
    }
    clock_.Set(-wrong);
  }
}

}  // namespace
}  // namespace layernas
