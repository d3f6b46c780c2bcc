#include "worker/trainer/latency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/base/random.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/statistics.h"

namespace layernas::trainer {
namespace {

using ::testing::HasSubstr;

TEST(Quantile, NearestRank) {
  const std::vector<double> ten = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_EQ(Quantile(ten, 0.5), 5);
  EXPECT_EQ(Quantile(ten, 0.9), 9);
  EXPECT_EQ(Quantile(ten, 0.99), 10);
  EXPECT_EQ(Quantile({3}, 0.1), 3);
}

TEST(Median, OfAnEvenNumberLiesBetween) {
  EXPECT_EQ(Median({4, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 3, 2}), 2.5);
}

TEST(MedianInterval, HoldsTheMedianAtLeastAsOftenAsItSays) {
  RandomStream random({1});
  int held = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values;
    // Far from normal: a long tail above the median, which is 0.25.
    for (int i = 0; i < 31; ++i) {
      const double draw = random.Uniform();
      values.push_back(draw * draw / (1.001 - draw) * 1.002 / 2);
    }
    const double median = 0.5 * 0.5 / (1.001 - 0.5) * 1.002 / 2;
    const Interval interval = MedianInterval(values);
    held += interval.low <= median && median <= interval.high ? 1 : 0;
  }
  EXPECT_GE(held, static_cast<int>(0.95 * kTrials));
  EXPECT_LT(held, kTrials);
}

TEST(MedianInterval, OfFewValuesIsTheirRange) {
  EXPECT_EQ(MedianInterval({3, 1, 2}).low, 1);
  EXPECT_EQ(MedianInterval({3, 1, 2}).high, 3);
}

// A simulated machine, on which runs take as long as the test decides. Its clock is the sum of all
// runs.
class Machine {
 public:
  // `noise`: the relative variation of times. Once in ten runs, other processes take the processor
  // for `slice_ms`. The whole machine drifts between its normal speed and half of it.
  Machine(double noise, double slice_ms, bool drifts) : noise_(noise), slice_ms_(slice_ms), drifts_(drifts) {}

  TimedRun Run(double ms, int cold_runs = 0) {
    return [this, ms, cold_runs, runs = 0]() mutable {
      const double speed = drifts_ && static_cast<int>(clock_ms_ / 100) % 2 == 1 ? 0.5 : 1;
      double cpu = ms / speed * (1 + noise_ * (2 * random_.Uniform() - 1));
      // The first runs are slower.
      if (runs < cold_runs) cpu *= 1 + cold_runs - runs;
      ++runs;
      const double wall = cpu + (random_.Below(10) == 0 ? slice_ms_ : 0);
      clock_ms_ += wall;
      return RunTime{wall, cpu};
    };
  }

 private:
  const double noise_;
  const double slice_ms_;
  const bool drifts_;
  double clock_ms_ = 0;
  RandomStream random_{RandomStream({7})};
};

TEST(MeasureInTurns, OnAQuietMachineStopsAtTheLeastRuns) {
  Machine machine(0.01, 0, false);
  MeasureSettings settings;
  settings.runs = 100;
  const Latency latency = MeasureInTurns(machine.Run(3), machine.Run(0.5), settings, true);
  EXPECT_EQ(latency.runs, 100);
  EXPECT_NEAR(latency.median_ms, 3, 0.05);
  EXPECT_NEAR(latency.ratio, 6, 0.1);
  EXPECT_LE(latency.ratio_interval, 0.02);
  EXPECT_NEAR(latency.reference_ms, 0.5, 0.02);
  EXPECT_LE(latency.median_ms, latency.p90_ms);
  EXPECT_LE(latency.p90_ms, latency.p99_ms);
  EXPECT_EQ(latency.stolen, 0);
}

TEST(MeasureInTurns, RunsOnUntilTheRatioIsKnown) {
  Machine machine(0.4, 0, true);
  MeasureSettings settings;
  settings.runs = 20;
  settings.ratio_interval = 0.02;
  const Latency latency = MeasureInTurns(machine.Run(3), machine.Run(3), settings, true);
  EXPECT_GT(latency.runs, 40);
  EXPECT_LE(latency.ratio_interval, 0.02);
  EXPECT_NEAR(latency.ratio, 1, 0.06);
}

TEST(MeasureInTurns, WhatOthersTakeAwayIsNotInTheRatio) {
  Machine machine(0.02, 40, true);
  MeasureSettings settings;
  const Latency latency = MeasureInTurns(machine.Run(8), machine.Run(0.5), settings, true);
  EXPECT_NEAR(latency.ratio, 16, 0.5);
  EXPECT_GT(latency.stolen, 0.1);
  EXPECT_GT(latency.p99_ms, 40);
}

TEST(MeasureInTurns, GoesByTheWallClockWhereTheProcessorsTimeSaysNothing) {
  Machine machine(0.01, 0, false);
  const TimedRun run = machine.Run(3), reference = machine.Run(0.5);
  const auto without_cpu = [](const TimedRun& timed) { return [timed] { return RunTime{timed().wall_ms, 0}; }; };
  const Latency latency = MeasureInTurns(without_cpu(run), without_cpu(reference), MeasureSettings(), false);
  EXPECT_NEAR(latency.ratio, 6, 0.1);
  EXPECT_EQ(latency.stolen, 0);
}

// A turn is two runs of one network and three of the other.
TEST(MeasureInTurns, TurnsOfDifferentLengthsFavourNeither) {
  Machine machine(0.4, 0, false);
  MeasureSettings settings;
  settings.runs = 2000;
  settings.max_runs = 2000;
  EXPECT_NEAR(MeasureInTurns(machine.Run(1.1), machine.Run(0.7), settings, true).ratio, 1.1 / 0.7, 0.03);
}

TEST(MeasureInTurns, RefusesATooNoisyMachineIfAskedTo) {
  Machine machine(0.9, 0, false);
  MeasureSettings settings;
  settings.runs = 20;
  settings.max_runs = 100;
  EXPECT_GT(MeasureInTurns(machine.Run(3), machine.Run(3), settings, true).ratio_interval, 0.02);
  settings.ratio_interval = 0.02;
  try {
    MeasureInTurns(machine.Run(3), machine.Run(3), settings, true);
    FAIL();
  } catch (const MachineError& error) {
    EXPECT_THAT(error.what(), HasSubstr("too noisy"));
  }
}

TEST(MeasureInTurns, WarmsUpUntilItIsStable) {
  Machine machine(0.001, 0, false);
  MeasureSettings settings;
  settings.warm_up = 0;
  const Latency latency = MeasureInTurns(machine.Run(3, 3), machine.Run(0.5, 3), settings, true);
  EXPECT_LT(latency.p99_ms, 3.1);
}

// A clock of processor time may tick a hundred times a second. Then most turns take no time at all.
TEST(MeasureInTurns, ARatioOfTimesThatAreZeroIsNoNumber) {
  const auto run = [total = 0.0]() mutable {
    const double before = total;
    total += 1;
    // The clock has ticks of 10 ms.
    return RunTime{1, 10 * (std::floor(total / 10) - std::floor(before / 10))};
  };
  MeasureSettings settings;
  const Latency latency = MeasureInTurns(run, run, settings, true);
  EXPECT_TRUE(std::isnan(latency.ratio)) << latency.ratio;
  EXPECT_TRUE(std::isnan(latency.ratio_interval)) << latency.ratio_interval;
  // The other values use wall-clock time.
  EXPECT_EQ(latency.median_ms, 1);
  // More runs would not help.
  EXPECT_LT(latency.runs, settings.max_runs);
  settings.ratio_interval = 0.05;
  try {
    MeasureInTurns(run, run, settings, true);
    FAIL();
  } catch (const MachineError& error) {
    EXPECT_THAT(error.what(), HasSubstr("too coarse"));
  }
}

}  // namespace
}  // namespace layernas::trainer
