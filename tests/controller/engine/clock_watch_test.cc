#include "controller/engine/clock_watch.h"

#include <gtest/gtest.h>

#include "tests/controller/support/fake_clock.h"

namespace layernas {
namespace {

constexpr Millis kDay = std::chrono::hours{24};

class ClockWatchTest : public ::testing::Test {
 protected:
  // A start `after` the last write, by the machine's clock, which had been set ahead before.
  ClockWatch StartedAfter(Millis after, Millis ahead = Millis{0}) const {
    return ClockWatch(clock_.NowOnBoth(), LastWrite{clock_.UnixNow() - after.count(), ahead});
  }
  Millis Pass(ClockWatch& watch, Millis time) {
    clock_.Pass(time);
    return watch.Advance(clock_.NowOnBoth());
  }
  Millis Set(ClockWatch& watch, Millis by) {
    clock_.Set(by);
    return watch.Advance(clock_.NowOnBoth());
  }

  FakeClock clock_;
};

TEST_F(ClockWatchTest, SoonAfterTheLastWriteTheClockCounts) {
  EXPECT_TRUE(StartedAfter(Millis{0}).counts());
  EXPECT_TRUE(StartedAfter(ClockWatch::kSoon).counts());
  // Two machines, or a clock that was adjusted a little.
  EXPECT_TRUE(StartedAfter(-ClockWatch::kSet + Millis{1}).counts());
  EXPECT_FALSE(StartedAfter(ClockWatch::kSoon + Millis{1}).counts());
  EXPECT_FALSE(StartedAfter(-ClockWatch::kSet).counts());
  EXPECT_FALSE(ClockWatch(clock_.NowOnBoth(), std::nullopt).counts());
}

TEST_F(ClockWatchTest, AClockThatIsNotSetForAWhileCounts) {
  ClockWatch watch = StartedAfter(kDay);
  Pass(watch, ClockWatch::kProof - Millis{1});
  EXPECT_FALSE(watch.counts());
  Pass(watch, Millis{1});
  EXPECT_TRUE(watch.counts());
}

TEST_F(ClockWatchTest, AfterItWasSetTheClockHasToProveItself) {
  ClockWatch watch = StartedAfter(kDay);
  Pass(watch, ClockWatch::kProof - Millis{1});
  EXPECT_EQ(Set(watch, Millis{-3'600'000}), Millis{-3'600'000});
  Pass(watch, ClockWatch::kProof - Millis{1});
  EXPECT_FALSE(watch.counts());
  Pass(watch, Millis{1});
  EXPECT_TRUE(watch.counts());
}

TEST_F(ClockWatchTest, AClockThatIsSetToSoonAfterTheLastWriteCounts) {
  ClockWatch watch = StartedAfter(kDay);
  Set(watch, -kDay);
  EXPECT_TRUE(watch.counts());
}

TEST_F(ClockWatchTest, AClockBeforeTheLastWriteCountsOnlyMuchLater) {
  ClockWatch watch = StartedAfter(-kDay);
  EXPECT_EQ(watch.set_before_start(), Millis{0});
  Pass(watch, ClockWatch::kLongestProof - Millis{1});
  EXPECT_FALSE(watch.counts());
  Pass(watch, Millis{1});
  EXPECT_TRUE(watch.counts());
}

TEST_F(ClockWatchTest, AClockThatHadBeenSetAheadWasSetRightBeforeTheStart) {
  const ClockWatch watch = StartedAfter(-kDay + Millis{5'000}, kDay);
  EXPECT_EQ(watch.set_before_start(), -kDay);
  EXPECT_TRUE(watch.counts());
  EXPECT_EQ(watch.last_write().ahead, Millis{0});
  // It was set back by more than it had been ahead.
  EXPECT_FALSE(StartedAfter(-kDay, Millis{3'600'000}).counts());
  // It is still ahead.
  const ClockWatch ahead = StartedAfter(Millis{5'000}, kDay);
  EXPECT_EQ(ahead.set_before_start(), Millis{0});
  EXPECT_EQ(ahead.last_write().ahead, kDay);
}

TEST_F(ClockWatchTest, OnlyAClockThatCountsIsSetAhead) {
  ClockWatch watch = StartedAfter(Millis{0});
  Set(watch, kDay);
  EXPECT_EQ(watch.last_write().ahead, kDay);
  Set(watch, -kDay);
  EXPECT_EQ(watch.last_write().ahead, Millis{0});
  ClockWatch wrong = StartedAfter(kDay);
  Set(wrong, -kDay);
  EXPECT_EQ(wrong.last_write().ahead, Millis{0});
}

TEST_F(ClockWatchTest, AClockThatIsSetAgainAndAgainCountsInTheEnd) {
  ClockWatch watch = StartedAfter(kDay);
  for (Millis passed{0}; passed < ClockWatch::kLongestProof; passed += Millis{60'000}) {
    EXPECT_FALSE(watch.counts());
    Pass(watch, Millis{60'000});
    Set(watch, Millis{5'000});
  }
  EXPECT_TRUE(watch.counts());
}

TEST_F(ClockWatchTest, OnceItCountsItCountsForEver) {
  ClockWatch watch = StartedAfter(Millis{0});
  EXPECT_EQ(Set(watch, std::chrono::hours{-48}), std::chrono::hours{-48});
  EXPECT_TRUE(watch.counts());
}

TEST_F(ClockWatchTest, SmallDifferencesAreNoSetting) {
  ClockWatch watch = StartedAfter(Millis{0});
  EXPECT_EQ(Set(watch, ClockWatch::kSet - Millis{1}), Millis{0});
  EXPECT_EQ(Set(watch, -ClockWatch::kSet), -ClockWatch::kSet);
  EXPECT_EQ(Pass(watch, std::chrono::hours{48}), Millis{0});
}

}  // namespace
}  // namespace layernas
