#include "common/log/rate_limit.h"

#include <gtest/gtest.h>

namespace layernas::log {
namespace {

class ManualClock final : public Clock {
 public:
  SteadyTime Now() const override { return now; }
  UnixMillis UnixNow() const override { return 0; }
  SteadyTime now{};
};

TEST(RateLimit, OneLineAPeriodAndTheRestIsCounted) {
  ManualClock clock;
  RateLimit limit(Millis(100), clock);
  EXPECT_EQ(limit.Take(), 0u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.Take(), std::nullopt);
  clock.now += Millis(99);
  EXPECT_EQ(limit.Take(), std::nullopt);
  clock.now += Millis(1);
  EXPECT_EQ(limit.Take(), 4u);
  clock.now += Millis(1000);
  EXPECT_EQ(limit.Take(), 0u);
}

TEST(RateLimit, SeveralLinesAPeriod) {
  ManualClock clock;
  RateLimit limit(Millis(100), 3, clock);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.Take(), 0u) << i;
  clock.now += Millis(99);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limit.Take(), std::nullopt) << i;
  clock.now += Millis(1);
  EXPECT_EQ(limit.Take(), 5u);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(limit.Take(), 0u) << i;
  EXPECT_EQ(limit.Take(), std::nullopt);
}

}  // namespace
}  // namespace layernas::log
