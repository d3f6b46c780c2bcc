#include "worker/evaluator/task_deadline.h"

#include <gtest/gtest.h>

namespace layernas {
namespace {

constexpr SteadyTime kStart = SteadyTime() + Millis(1'000);

TEST(TaskDeadline, CountsFromTheStart) {
  TaskDeadline deadline(kStart, Millis(100), Millis(1'000));
  EXPECT_EQ(deadline.at(), kStart + Millis(100));
  deadline.Trains();
  EXPECT_EQ(deadline.at(), kStart + Millis(100));
}

TEST(TaskDeadline, LoadingDoesNotCount) {
  TaskDeadline deadline(kStart, Millis(100), Millis(1'000));
  deadline.Loads(kStart + Millis(90));
  EXPECT_EQ(deadline.at(), kStart + Millis(190));
  deadline.Loads(kStart + Millis(180));
  EXPECT_EQ(deadline.at(), kStart + Millis(280));
}

TEST(TaskDeadline, LoadingIsBounded) {
  TaskDeadline deadline(kStart, Millis(100), Millis(1'000));
  deadline.Loads(kStart + Millis(950));
  EXPECT_EQ(deadline.at(), kStart + Millis(1'050));
  deadline.Loads(kStart + Millis(1'049));
  EXPECT_EQ(deadline.at(), kStart + Millis(1'100));
}

TEST(TaskDeadline, LoadingIsOverOnceAnEpochWasReported) {
  TaskDeadline deadline(kStart, Millis(100), Millis(1'000));
  deadline.Loads(kStart + Millis(50));
  deadline.Trains();
  deadline.Loads(kStart + Millis(140));
  EXPECT_EQ(deadline.at(), kStart + Millis(150));
}

}  // namespace
}  // namespace layernas
