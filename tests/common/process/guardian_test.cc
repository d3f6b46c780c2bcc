// Tests what happens to programs that children have started when the parent process is killed.
#include "common/process/guardian.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <thread>
#include <vector>

#include "common/log/log.h"
#include "common/process/child_process.h"
#include "common/process/fd.h"
#include "tests/common/process/process_support.h"

namespace layernas {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kWrapper[] = "sleep 1000 & echo child $!; wait; true";

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Returns the process id of the process's guardian; -1 if there is none. A guardian that has just been
// started is only found when it has set its name and waits for messages.
pid_t GuardianOf(pid_t parent) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = ReadAll(entry.path() / "stat");
    if (stat.find("(layernas-guard) S " + std::to_string(parent) + " ") != std::string::npos) return std::stoi(name);
  }
  return -1;
}

// Waits for the guardian. Returns -1 if none appears in time.
pid_t AwaitGuardianOf(pid_t parent) {
  const auto deadline = std::chrono::steady_clock::now() + kLong;
  pid_t guardian = GuardianOf(parent);
  while (guardian < 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    guardian = GuardianOf(parent);
  }
  return guardian;
}

// Starts a wrapper with the same standard output. It prints "child PID" for the program that it has
// started.
std::unique_ptr<ChildProcess> StartWrapper() {
  ChildOptions options;
  options.argv = {"/bin/sh", "-c", kWrapper};
  options.pipes = false;
  options.on_stderr_line = [](std::string_view line) { std::cout << line << std::endl; };
  auto child = ChildProcess::Start(std::move(options));
  EXPECT_TRUE(child.ok()) << child.status();
  return child.ok() ? *std::move(child) : nullptr;
}

// Runs a disabled test in a separate process. Returns the process ids that its wrappers have
// started.
std::unique_ptr<ChildProcess> RunApart(const std::string& test, std::size_t wrappers, std::vector<pid_t>& started) {
  ChildOptions options;
  options.argv = {"/proc/self/exe", "--gtest_also_run_disabled_tests", "--gtest_filter=Guardian.DISABLED_" + test};
  auto apart = ChildProcess::Start(std::move(options));
  EXPECT_TRUE(apart.ok()) << apart.status();
  while (started.size() < wrappers) {
    const auto line = (*apart)->ReadLine(kLong, kMaxLine);
    EXPECT_TRUE(line.ok()) << line.status();
    if (!line.ok()) break;
    if (line->starts_with("child ")) started.push_back(std::stoi(line->substr(6)));
  }
  return *std::move(apart);
}

// Not a test by itself. The first child finds no free descriptor for a guardian, the second one
// does.
TEST(Guardian, DISABLED_StartsLate) {
  log::Init("test", "info");
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = 200;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::vector<Fd> taken;
  for (Fd fd; (fd = Fd(open("/dev/null", O_RDONLY | O_CLOEXEC))).valid();) taken.push_back(std::move(fd));
  // As many as starting a child without pipes needs.
  taken.resize(taken.size() - 7);
  const auto first = StartWrapper();
  ASSERT_EQ(GuardianOf(getpid()), -1);
  std::vector<std::unique_ptr<ChildProcess>> others;
  taken.resize(taken.size() - 7);
  taken.clear();
  others.push_back(StartWrapper());
  log::Flush();
  others.back()->Wait(kLong);
}

TEST(Guardian, IsTriedAgainAndThenKnowsOfAll) {
  std::vector<pid_t> started;
  const auto apart = RunApart("StartsLate", 2, started);
  kill(apart->pid(), SIGKILL);
  for (const pid_t pid : started) ExpectGoneSoon(pid);
  EXPECT_TRUE(apart->Wait(kLong).has_value());
  EXPECT_THAT(apart->LastStderr(), HasSubstr("Too many open files"));
}

// Not a test by itself.
TEST(Guardian, DISABLED_IsKilled) {
  const auto first = StartWrapper();
  const pid_t guardian = AwaitGuardianOf(getpid());
  ASSERT_GT(guardian, 0);
  kill(guardian, SIGKILL);
  ExpectGoneSoon(guardian);
  const auto second = StartWrapper();
  second->Wait(kLong);
}

TEST(Guardian, IsReplacedWhereItWasKilled) {
  std::vector<pid_t> started;
  const auto apart = RunApart("IsKilled", 2, started);
  kill(apart->pid(), SIGKILL);
  for (const pid_t pid : started) ExpectGoneSoon(pid);
}

// As pkill -f does, which matches the command line.
TEST(Guardian, ItsCommandLineIsNotOurs) {
  const auto child = StartWrapper();
  const pid_t guardian = AwaitGuardianOf(getpid());
  ASSERT_GT(guardian, 0);
  const std::string ours = ReadAll("/proc/self/cmdline");
  const std::string its = ReadAll("/proc/" + std::to_string(guardian) + "/cmdline");
  EXPECT_THAT(ours, HasSubstr("child_process_test"));
  EXPECT_THAT(its, Not(HasSubstr("child_process_test")));
  EXPECT_EQ(its.c_str(), std::string("layernas-guard"));
}

}  // namespace
}  // namespace layernas
