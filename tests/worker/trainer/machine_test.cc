#include "worker/trainer/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/worker/trainer/temp_folder.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(DescribeMachine, NamesTheThreads) {
  EXPECT_THAT(DescribeMachine(1), HasSubstr(", 1 thread"));
  EXPECT_NE(Fingerprint(DescribeMachine(1)), Fingerprint(DescribeMachine(2)));
  EXPECT_EQ(Fingerprint("a"), 0xe40c292cU);  // A published test vector of FNV-1a.
}

class DescribeArm : public TempFolder {
 protected:
  void SetCores(const std::vector<std::string>& parts) {
    std::string text;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      text += "processor\t: " + std::to_string(i) + "\nBogoMIPS\t: 108.00\nCPU implementer\t: 0x41\n" +
              "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: " + parts[i] + "\nCPU revision\t: 3\n\n";
    }
    Write("proc/cpuinfo", text);
  }
};

TEST_F(DescribeArm, NamesTheCoresAndTheBoard) {
  SetCores({"0xd08", "0xd08", "0xd08", "0xd08"});
  Write("proc/device-tree/model", std::string("Raspberry Pi 4 Model B Rev 1.2\0", 31));
  const std::string a72 = DescribeMachine(1, folder_);
  EXPECT_EQ(a72.rfind("ARM 0x41/0xd08/0x0/3, Raspberry Pi 4 Model B Rev 1.2, ", 0), 0U) << a72;
  // Another processor, other kinds of cores, another board.
  SetCores({"0xd03", "0xd03", "0xd03", "0xd03"});
  EXPECT_NE(DescribeMachine(1, folder_), a72);
  SetCores({"0xd03", "0xd08", "0xd03", "0xd08"});
  EXPECT_EQ(DescribeMachine(1, folder_).rfind("ARM 0x41/0xd03/0x0/3, ARM 0x41/0xd08/0x0/3, ", 0), 0U);
  SetCores({"0xd08", "0xd08", "0xd08", "0xd08"});
  Write("proc/device-tree/model", std::string("ROCK Pi 4\0", 10));
  EXPECT_NE(DescribeMachine(1, folder_), a72);
}

// Stored fingerprints must stay the same.
TEST_F(DescribeArm, APcIsNamedByItsModelAlone) {
  Write("proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2000\n");
  EXPECT_EQ(DescribeMachine(1, folder_).rfind("AMD EPYC, " + std::to_string(std::thread::hardware_concurrency()), 0),
            0U);
}

// A copy of Linux's files that tests can change.
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
  // The counter overflows and starts again.
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
