#include "worker/trainer/stop_signal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace layernas::trainer {
namespace {

using ::testing::ExitedWithCode;

TEST(StopSignalDeathTest, EndsTheProcessIfThereIsNothingToSave) {
  EXPECT_EXIT(
      {
        InstallStopSignals();
        raise(SIGTERM);
        _exit(0);
      },
      ExitedWithCode(128 + SIGTERM), "");
}

// Slurm signals trainer and worker, and the worker then signals the trainer.
TEST(StopSignalDeathTest, ARepeatDoesNotEndAProcessThatSaves) {
  EXPECT_EXIT(
      {
        InstallStopSignals();
        StopSignal stop;
        raise(SIGTERM);
        raise(SIGTERM);
        raise(SIGINT);
        _exit(StopSignal::Requested() == SIGTERM ? 7 : 1);
      },
      ExitedWithCode(7), "");
}

TEST(StopSignalDeathTest, ASignalAfterTheLastCheckEndsTheProcess) {
  EXPECT_EXIT(
      {
        InstallStopSignals();
        {
          StopSignal stop;
          raise(SIGINT);
        }
        _exit(0);
      },
      ExitedWithCode(128 + SIGINT), "");
}

}  // namespace
}  // namespace layernas::trainer
