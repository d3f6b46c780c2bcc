#include "common/base/processors.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace layernas {
namespace {

namespace fs = std::filesystem;

class Processors : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "layernas-processors-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    usable_ = UsableProcessors(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void Write(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text << '\n';
  }

  fs::path root_;
  // The number without any quota.
  int usable_ = 0;
};

TEST_F(Processors, AreThoseOfTheAffinityMask) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ(usable_, CPU_COUNT(&before));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(UsableProcessors(root_), 1);
  sched_setaffinity(0, sizeof(before), &before);
}

TEST_F(Processors, AreLimitedByAQuotaOfVersion2) {
  Write("proc/self/cgroup", "0::/user.slice/a.service");
  Write("sys/fs/cgroup/user.slice/a.service/cpu.max", "max 100000");
  EXPECT_EQ(UsableProcessors(root_), usable_);
  Write("sys/fs/cgroup/user.slice/cpu.max", "50000 100000");
  EXPECT_EQ(UsableProcessors(root_), 1);
  Write("sys/fs/cgroup/user.slice/cpu.max", "100000000 100000");
  EXPECT_EQ(UsableProcessors(root_), usable_);
  // In a container, the process's own cgroup is the mounted root.
  Write("proc/self/cgroup", "0::/");
  Write("sys/fs/cgroup/cpu.max", "100000 100000");
  EXPECT_EQ(UsableProcessors(root_), 1);
}

TEST_F(Processors, AreLimitedByAQuotaOfVersion1) {
  Write("proc/self/cgroup", "3:cpu,cpuacct:/docker/1234\n2:memory:/docker/1234");
  Write("sys/fs/cgroup/cpu,cpuacct/docker/1234/cpu.cfs_quota_us", "-1");
  Write("sys/fs/cgroup/cpu,cpuacct/docker/1234/cpu.cfs_period_us", "100000");
  EXPECT_EQ(UsableProcessors(root_), usable_);
  Write("sys/fs/cgroup/cpu,cpuacct/docker/1234/cpu.cfs_quota_us", "80000");
  EXPECT_EQ(UsableProcessors(root_), 1);
}

TEST_F(Processors, BrokenFilesAreNoLimit) {
  Write("proc/self/cgroup", "rubbish\n0::/a");
  Write("sys/fs/cgroup/a/cpu.max", "rubbish");
  EXPECT_EQ(UsableProcessors(root_), usable_);
}

}  // namespace
}  // namespace layernas
