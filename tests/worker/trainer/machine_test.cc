#include "worker/trainer/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(DescribeMachine, NamesTheThreads) {
  EXPECT_THAT(DescribeMachine(1), HasSubstr(", 1 thread"));
  EXPECT_NE(Fingerprint(DescribeMachine(1)), Fingerprint(DescribeMachine(2)));
  EXPECT_EQ(Fingerprint("a"), 0xe40c292cU);  // A published test vector of FNV-1a.
}

// A copy of what Linux shows, at will.
class EnergyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "layernas-energy-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Set(const std::string& zone, const std::string& energy_uj) {
    fs::create_directories(folder_ / zone);
    std::ofstream(folder_ / zone / "energy_uj") << energy_uj << '\n';
    std::ofstream(folder_ / zone / "max_energy_range_uj") << "1000000\n";
  }

  fs::path folder_;
};

TEST_F(EnergyTest, IsAbsentWhereTheMachineDoesNotSay) {
  EXPECT_FALSE(EnergyMeter(folder_ / "none").available());
  fs::create_directory(folder_ / "intel-rapl");
  Set("intel-rapl:0", "");
  EnergyMeter meter(folder_);
  EXPECT_FALSE(meter.available());
  EXPECT_FALSE(meter.MillijoulesSinceStart().has_value());
}

TEST_F(EnergyTest, AddsUpThePackagesButNotTheirParts) {
  Set("intel-rapl:0", "5000");
  Set("intel-rapl:0:0", "100");
  Set("intel-rapl:1", "999000");
  EnergyMeter meter(folder_);
  ASSERT_TRUE(meter.available());
  meter.Start();
  Set("intel-rapl:0", "7500");
  Set("intel-rapl:0:0", "90100");
  // Over its range and on from the start.
  Set("intel-rapl:1", "500");
  EXPECT_DOUBLE_EQ(meter.MillijoulesSinceStart().value_or(-1), 2.5 + 1.5);
}

TEST_F(EnergyTest, ACounterThatGoesAwayGivesNothing) {
  Set("intel-rapl:0", "5000");
  EnergyMeter meter(folder_);
  meter.Start();
  fs::remove_all(folder_ / "intel-rapl:0");
  EXPECT_FALSE(meter.MillijoulesSinceStart().has_value());
}

}  // namespace
}  // namespace layernas::trainer
