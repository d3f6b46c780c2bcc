#include "worker/trainer/nvml.h"

#include <gtest/gtest.h>

namespace layernas::trainer {
namespace {

TEST(GpuMonitor, SaysNothingWithoutTheLibrary) {
  const GpuMonitor monitor("00000000:3b:00.0", "libthere-is-none.so.1");
  EXPECT_FALSE(monitor.clock_mhz().has_value());
  EXPECT_FALSE(monitor.energy_mj().has_value());
}

TEST(GpuMonitor, ReadsTheGpuOfTheAddress) {
  const GpuMonitor monitor("00000000:3b:00.0", FAKE_NVML);
  EXPECT_EQ(monitor.clock_mhz().value_or(-1), 1410);
  EXPECT_EQ(monitor.energy_mj().value_or(-1), 7'000'000'000'000.0);
}

TEST(GpuMonitor, SaysNothingOfAGpuThatIsNotThere) {
  const GpuMonitor monitor("00000000:ff:00.0", FAKE_NVML);
  EXPECT_FALSE(monitor.clock_mhz().has_value());
  EXPECT_FALSE(monitor.energy_mj().has_value());
}

}  // namespace
}  // namespace layernas::trainer
