#include "common/process/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <thread>

#include "tests/common/process/no_threads.h"
#include "tests/common/process/process_support.h"

namespace layernas {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::unique_ptr<ChildProcess> Shell(const std::string& script, ChildOptions options = {}) {
  options.argv = {"/bin/sh", "-c", script};
  auto child = ChildProcess::Start(std::move(options));
  EXPECT_TRUE(child.ok()) << child.status();
  return *std::move(child);
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(ChildProcess, TalksInLines) {
  auto child = Shell("while read -r line; do echo \"got $line\"; done; echo bye; printf unfinished");
  ASSERT_TRUE(child->WriteLine("one", kLong).ok());
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "got one");
  ASSERT_TRUE(child->WriteLine("two", kLong).ok());
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "got two");
  child->CloseInput();
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "bye");
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "unfinished");
  EXPECT_EQ(child->ReadLine(kLong, kMaxLine).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(child->Wait(kLong)->ok());
}

TEST(ChildProcess, AProgramThatCannotBeStartedIsNamed) {
  const auto start = [](const std::string& program) {
    ChildOptions options;
    options.argv = {program};
    return ChildProcess::Start(std::move(options)).status();
  };
  EXPECT_EQ(start("/no/such/program").code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(start("/no/such/program")), AllOf(HasSubstr("/no/such/program"), HasSubstr("No such file")));
  EXPECT_THAT(Message(start("no-such-program")), HasSubstr("not found on PATH"));
  EXPECT_THAT(Message(start("/etc")), HasSubstr("not a file"));

  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "layernas_child_process";
  std::filesystem::create_directories(folder);
  const std::string plain = folder / "plain";
  std::ofstream(plain) << "just text\n";
  chmod(plain.c_str(), 0755);
  EXPECT_THAT(Message(start(plain)), HasSubstr("#! line"));
  const std::string lost = folder / "lost";
  std::ofstream(lost) << "#!/no/such/interpreter\n";
  chmod(lost.c_str(), 0755);
  EXPECT_THAT(Message(start(lost)), HasSubstr("interpreter"));
  chmod(lost.c_str(), 0644);
  EXPECT_EQ(start(lost).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Message(start(lost)), HasSubstr("not executable"));
  EXPECT_EQ(start("").code(), absl::StatusCode::kInvalidArgument);
  std::filesystem::remove_all(folder);
}

// Not a test by itself: WhereNoThreadCanBeMadeItIsAnError runs it in a process that has started no
// thread yet.
TEST(ChildProcess, DISABLED_StartWithoutThreads) {
  ChildOptions options;
  options.argv = {"/bin/sh", "-c", "echo $$; exec sleep 1000"};
  for (int i = 0; i < 2; ++i) {
    {
      const NoThreads no_threads;
      const absl::Status status = ChildProcess::Start(options).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
      EXPECT_EQ(Message(status), "cannot start /bin/sh: Resource temporarily unavailable");
    }
    // A resource that was missing for one start is available for the next.
    const auto child = ChildProcess::Start(options);
    ASSERT_TRUE(child.ok()) << child.status();
  }
}

TEST(ChildProcess, WhereNoThreadCanBeMadeItIsAnError) {
  ChildOptions options;
  options.argv = {"/proc/self/exe", "--gtest_also_run_disabled_tests", "--gtest_filter=*.DISABLED_StartWithoutThreads"};
  options.pipes = false;
  const auto child = ChildProcess::Start(std::move(options));
  ASSERT_TRUE(child.ok()) << child.status();
  EXPECT_EQ((*child)->Wait(kLong)->ToString(), "exit code 0") << (*child)->LastStderr();
}

TEST(ChildProcess, WhoeverReadsKillsAfterTheGrace) {
  auto child = Shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "ready");
  child->AskToEnd(Millis(100));
  EXPECT_THAT(Message(child->ReadLine(kLong, kMaxLine).status()), HasSubstr("SIGKILL"));
}

TEST(ChildProcess, AProgramCanBeCheckedBeforeItIsNeeded) {
  EXPECT_TRUE(CheckProgram("sh").ok());
  EXPECT_TRUE(CheckProgram("/bin/sh").ok());
  EXPECT_EQ(CheckProgram("no-such-program").code(), absl::StatusCode::kNotFound);
}

TEST(ChildProcess, TellsHowItEnded) {
  EXPECT_EQ(Shell("exit 3")->Wait(kLong)->ToString(), "exit code 3");
  EXPECT_EQ(Shell("kill -9 $$")->Wait(kLong)->ToString(), "killed by signal 9 (SIGKILL)");
  EXPECT_FALSE(Shell("sleep 1000")->Wait(Millis(0)).has_value());
}

TEST(ChildProcess, TheErrorQuotesTheLastWords) {
  auto child = Shell("for i in $(seq 1 100); do echo line $i >&2; done; printf 'out of memory' >&2; exit 7");
  const absl::Status status = child->ReadLine(kLong, kMaxLine).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), AllOf(StartsWith("exit code 7"), EndsWith("line 99\nline 100\nout of memory"),
                                     Not(HasSubstr("line 80\n"))));
}

TEST(ChildProcess, ForwardsStandardErrorLineByLine) {
  std::vector<std::string> lines;
  {
    ChildOptions options;
    options.on_stderr_line = [&lines](std::string_view line) { lines.emplace_back(line); };
    auto child = Shell("echo a >&2; printf 'b c\\n\\nd' >&2", std::move(options));
    EXPECT_TRUE(child->Wait(kLong)->ok());
  }
  EXPECT_THAT(lines, ElementsAre("a", "b c", "", "d"));
}

TEST(ChildProcess, ALongLineOfStandardErrorComesInParts) {
  std::vector<std::size_t> sizes;
  {
    ChildOptions options;
    options.on_stderr_line = [&sizes](std::string_view line) { sizes.push_back(line.size()); };
    auto child = Shell("head -c 10000 /dev/zero | tr '\\0' x >&2", std::move(options));
    EXPECT_TRUE(child->Wait(kLong)->ok());
    EXPECT_LE(child->LastStderr().size(), 8192u);
  }
  EXPECT_THAT(sizes, ElementsAre(8192u, 10000u - 8192u));
}

TEST(ChildProcess, WithoutPipesOutputJoinsStandardError) {
  std::vector<std::string> lines;
  {
    ChildOptions options;
    options.pipes = false;
    options.on_stderr_line = [&lines](std::string_view line) { lines.emplace_back(line); };
    auto child = Shell("cat; echo out; echo err >&2", std::move(options));
    EXPECT_TRUE(child->Wait(kLong)->ok());
    EXPECT_EQ(child->WriteLine("x", kLong).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(child->ReadLine(kLong, kMaxLine).status().code(), absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_THAT(lines, ElementsAre("out", "err"));
}

TEST(ChildProcess, TheEnvironmentIsLaidOverOurs) {
  setenv("LAYERNAS_TEST_KEPT", "kept", 1);
  setenv("LAYERNAS_TEST_CHANGED", "old", 1);
  ChildOptions options;
  options.environment = {{"LAYERNAS_TEST_CHANGED", "new"}};
  auto child = Shell("echo $LAYERNAS_TEST_KEPT $LAYERNAS_TEST_CHANGED", std::move(options));
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "kept new");
}

TEST(ChildProcess, AHangIsBounded) {
  auto child = Shell("sleep 1000");
  EXPECT_EQ(child->ReadLine(Millis(50), kMaxLine).status().code(), absl::StatusCode::kDeadlineExceeded);
  // More than the pipe can hold.
  EXPECT_EQ(child->WriteLine(std::string(1 << 20, 'x'), Millis(50)).code(), absl::StatusCode::kDeadlineExceeded);
}

// It reads its input only when somebody has read what it writes first.
TEST(ChildProcess, ALongLineReachesAProgramThatFirstWritesALot) {
  auto child = Shell("head -c 300000 /dev/zero | tr '\\0' y; echo; read -r line; echo ${#line}");
  ASSERT_TRUE(child->WriteLine(std::string(200'000, 'x'), kLong).ok());
  EXPECT_EQ(child->ReadLine(kLong, 400'000)->size(), 300'000u);
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "200000");
}

TEST(ChildProcess, ALineIsBounded) {
  auto child = Shell("head -c 100000 /dev/zero | tr '\\0' y; sleep 1000");
  const absl::Status status = child->ReadLine(kLong, 50'000).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("50000 bytes"), HasSubstr("yyyy")));
  EXPECT_LT(status.message().size(), 300u);
}

TEST(ChildProcess, ALongLineWithinTheBoundComesWhole) {
  auto child = Shell("head -c 100000 /dev/zero | tr '\\0' y; echo");
  EXPECT_EQ(child->ReadLine(kLong, 100'000)->size(), 100'000u);
}

TEST(ChildProcess, WritingToADeadChildSaysHowItEnded) {
  auto child = Shell("exec <&-; exit 4");
  child->Wait(kLong);
  const absl::Status status = child->WriteLine("x", kLong);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), StartsWith("exit code 4"));
}

TEST(ChildProcess, KillReachesGrandchildren) {
  auto child = Shell("sleep 1000 & echo $!; wait");
  const pid_t grandchild = std::stoi(*child->ReadLine(kLong, kMaxLine));
  EXPECT_FALSE(Gone(grandchild));
  child->Kill();
  EXPECT_EQ(child->Wait(kLong)->signal, SIGKILL);
  ExpectGoneSoon(grandchild);
}

TEST(ChildProcess, WhatADeadChildLeavesBehindIsKilledAndDoesNotHoldTheReader) {
  // The grandchild inherits the pipe, so the read does not see the end of the file.
  auto child = Shell("sleep 1000 & echo $!; exit 5");
  const pid_t grandchild = std::stoi(*child->ReadLine(kLong, kMaxLine));
  EXPECT_THAT(Message(child->ReadLine(kLong, kMaxLine).status()), StartsWith("exit code 5"));
  ExpectGoneSoon(grandchild);
}

// Starts a program in its own process group, as timeout(1) does, and prints its process id.
constexpr char kOtherGroup[] = "timeout 1000 sh -c 'echo $$; exec sleep 1000' & ";

TEST(ChildProcess, EveryEndIsThatOfItsWholeSession) {
  const std::pair<std::string, std::function<void(ChildProcess&)>> ends[] = {
      {"read -r line; exit 5", [](ChildProcess& child) { ASSERT_TRUE(child.WriteLine("", kLong).ok()); }},
      {"wait; true", [](ChildProcess& child) { child.Kill(); }},
      {"wait; true", [](ChildProcess& child) { kill(child.pid(), SIGKILL); }},
      {"trap '' TERM; while :; do sleep 0.01; done", [](ChildProcess& child) { child.Terminate(Millis(50)); }},
  };
  for (const auto& [script, end] : ends) {
    auto child = Shell(kOtherGroup + script);
    const pid_t grandchild = std::stoi(*child->ReadLine(kLong, kMaxLine));
    end(*child);
    EXPECT_TRUE(child->Wait(kLong).has_value()) << script;
    EXPECT_TRUE(Gone(grandchild)) << script;
    kill(grandchild, SIGKILL);
  }
}

TEST(ChildProcess, AChildThatStaysInOurSessionEndsWithItsGroup) {
  ChildOptions options;
  options.own_session = false;
  auto child = Shell("sleep 1000 & echo $!; wait", std::move(options));
  const pid_t grandchild = std::stoi(*child->ReadLine(kLong, kMaxLine));
  EXPECT_EQ(getsid(grandchild), getsid(0));
  EXPECT_EQ(getpgid(grandchild), child->pid());
  child.reset();
  ExpectGoneSoon(grandchild);
}

TEST(ChildProcess, DestructionEndsTheWholeSession) {
  auto child = Shell(std::string(kOtherGroup) + "wait; true");
  const pid_t grandchild = std::stoi(*child->ReadLine(kLong, kMaxLine));
  child.reset();
  EXPECT_TRUE(Gone(grandchild));
  kill(grandchild, SIGKILL);
}

TEST(ChildProcess, AWholeSessionIsEndedAlsoWhileThereIsNoFileToBeHad) {
  auto child = Shell(std::string(kOtherGroup) + "wait; true");
  const pid_t grandchild = std::stoi(*child->ReadLine(kLong, kMaxLine));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{STDERR_FILENO + 1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  std::thread restoring([&before] {
    std::this_thread::sleep_for(Millis(200));
    setrlimit(RLIMIT_NOFILE, &before);
  });
  child->Kill();
  EXPECT_TRUE(child->Wait(kLong).has_value());
  restoring.join();
  EXPECT_TRUE(Gone(grandchild));
  kill(grandchild, SIGKILL);
}

TEST(ChildProcess, ThoseInOtherGroupsAreAskedToEndToo) {
  auto child = Shell(
      "trap : TERM; timeout 1000 sh -c 'trap \"echo asked; exit\" TERM; echo ready; while :; do sleep 0.01; done' & "
      "while :; do sleep 0.01; done");
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "ready");
  child->AskToEnd();
  const auto line = child->ReadLine(kLong, kMaxLine);
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(*line, "asked");
}

TEST(ChildProcess, AnEndThatTheKernelKeptNothingOfIsAnEnd) {
  auto child = Shell("exit 0");
  ASSERT_EQ(waitpid(child->pid(), nullptr, 0), child->pid());
  const auto exit = child->Wait(Millis(1'000));
  ASSERT_TRUE(exit.has_value());
  EXPECT_FALSE(exit->ok());
  EXPECT_EQ(exit->ToString(), "unknown exit code");
}

// A program that ignores the ends of its children may pass that setting on.
TEST(ChildProcess, TheEndIsSeenAlsoWhereEndsWereIgnored) {
  ChildOptions options;
  options.argv = {"env", "--ignore-signal=CHLD", std::filesystem::read_symlink("/proc/self/exe"),
                  "--gtest_filter=ChildProcess.TellsHowItEnded"};
  auto child = ChildProcess::Start(std::move(options));
  ASSERT_TRUE(child.ok()) << child.status();
  const auto exit = (*child)->Wait(Millis(30'000));
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->ToString(), "exit code 0");
}

// A program that starts its own session keeps running, with the pipes that it has inherited.
TEST(ChildProcess, AnEndIsSeenAlsoWhileAnotherProcessTalks) {
  auto child = Shell("setsid sh -c 'while :; do echo epoch; sleep 0.01; done' & read -r line; echo last; exit 5");
  ASSERT_EQ(*child->ReadLine(kLong, kMaxLine), "epoch");
  ASSERT_TRUE(child->WriteLine("", kLong).ok());
  const SteadyTime deadline = std::chrono::steady_clock::now() + kLong;
  std::vector<std::string> lines;
  absl::StatusOr<std::string> line;
  while ((line = child->ReadLine(kLong, kMaxLine)).ok() && std::chrono::steady_clock::now() < deadline) {
    if (*line != "epoch") lines.push_back(*line);
  }
  EXPECT_THAT(Message(line.status()), StartsWith("exit code 5"));
  EXPECT_THAT(lines, ElementsAre("last"));
}

TEST(ChildProcess, DestructionDoesNotWaitForAnotherProcessThatTalks) {
  // SIGPIPE ends it when nobody holds the other end any more.
  std::atomic<bool> talks = false;
  ChildOptions options;
  // Slower than the lines arrive.
  options.on_stderr_line = [&talks](std::string_view) {
    talks = true;
    std::this_thread::sleep_for(Millis(1));
  };
  auto child = Shell("setsid yes $(head -c 4000 /dev/zero | tr '\\0' y) >&2 & wait", std::move(options));
  const pid_t pid = child->pid();
  for (int i = 0; i < 6000 && !talks; ++i) std::this_thread::sleep_for(Millis(10));
  child.reset();
  EXPECT_TRUE(Gone(pid));
}

TEST(ChildProcess, WhoeverAwaitsStderrDoesNotWaitForItsReaderForLong) {
  std::mutex mutex;
  std::condition_variable changed;
  bool entered = false;
  bool may_go_on = false;
  ChildOptions options;
  options.on_stderr_line = [&](std::string_view) {
    std::unique_lock lock(mutex);
    entered = true;
    changed.notify_all();
    changed.wait(lock, [&] { return may_go_on; });
  };
  auto child = Shell("echo line >&2; sleep 1000", std::move(options));
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return entered; });
  }
  child->AwaitStderr();
  const std::unique_lock lock(mutex);
  may_go_on = true;
  changed.notify_all();
}

TEST(ChildProcess, WhoeverAwaitsStderrGetsTheIncompleteLineToo) {
  std::vector<std::string> lines;
  {
    ChildOptions options;
    options.on_stderr_line = [&lines](std::string_view line) { lines.emplace_back(line); };
    auto child = Shell("printf half >&2; echo ready; read x; echo ' a line' >&2", std::move(options));
    EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "ready");
    child->AwaitStderr();
    EXPECT_EQ(child->LastStderr(), "half");
    EXPECT_TRUE(child->WriteLine("go on", kLong).ok());
    EXPECT_TRUE(child->Wait(kLong)->ok());
  }
  EXPECT_THAT(lines, ElementsAre("half", " a line"));
}

TEST(ChildProcess, TerminateGivesTimeToTidyUp) {
  auto child = Shell("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done");
  ASSERT_TRUE(child->ReadLine(kLong, kMaxLine).ok());
  EXPECT_EQ(child->Terminate(kLong).ToString(), "exit code 9");
}

TEST(ChildProcess, TerminateKillsWhatDoesNotListen) {
  auto child = Shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
  ASSERT_TRUE(child->ReadLine(kLong, kMaxLine).ok());
  EXPECT_EQ(child->Terminate(Millis(50)).signal, SIGKILL);
}

TEST(ChildProcess, KillFromAnotherThreadWakesTheReader) {
  auto child = Shell("sleep 1000");
  std::thread killer([&child] { child->Kill(); });
  EXPECT_THAT(Message(child->ReadLine(kLong, kMaxLine).status()), HasSubstr("SIGKILL"));
  killer.join();
}

TEST(ChildProcess, DestructionKills) {
  auto child = Shell("sleep 1000");
  const pid_t pid = child->pid();
  child.reset();
  EXPECT_TRUE(Gone(pid));
}

TEST(ChildProcess, TheEndOfTheStartingThreadDoesNotKill) {
  std::unique_ptr<ChildProcess> child;
  std::thread([&child] { child = Shell("read -r line; echo alive"); }).join();
  ASSERT_TRUE(child->WriteLine("", kLong).ok());
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "alive");
}

// Not a test by itself: DiesWithUs runs it in a separate process, which it then kills.
TEST(ChildProcess, DISABLED_StartAChildAndWait) {
  ChildOptions options;
  options.argv = {"sleep", "1000"};
  auto child = ChildProcess::Start(std::move(options));
  ASSERT_TRUE(child.ok()) << child.status();
  std::cout << "\nchild " << (*child)->pid() << std::endl;
  (*child)->Wait(kLong);
}

TEST(ChildProcess, DiesWithUs) {
  ChildOptions options;
  options.argv = {"/proc/self/exe", "--gtest_also_run_disabled_tests", "--gtest_filter=*.DISABLED_StartAChildAndWait"};
  auto parent = ChildProcess::Start(std::move(options));
  ASSERT_TRUE(parent.ok()) << parent.status();
  std::string line;
  while (line.rfind("child ", 0) != 0) {
    auto next = (*parent)->ReadLine(kLong, kMaxLine);
    ASSERT_TRUE(next.ok()) << next.status();
    line = *next;
  }
  const pid_t pid = std::stoi(line.substr(6));
  EXPECT_FALSE(Gone(pid));
  (*parent)->Kill();
  EXPECT_EQ((*parent)->Wait(kLong)->signal, SIGKILL);
  ExpectGoneSoon(pid);
}

// As above, with a wrapper without exec, and a program that creates its own process group, as
// timeout(1) does.
TEST(ChildProcess, DISABLED_StartAWrapperAndWait) {
  auto child = Shell("sleep 1000 & echo $!; timeout 1000 sh -c 'echo $$; exec sleep 1000' & wait; true");
  for (int i = 0; i < 2; ++i) std::cout << "\nchild " << *child->ReadLine(kLong, kMaxLine) << std::endl;
  child->Wait(kLong);
}

TEST(ChildProcess, WhatAChildStartedDiesWithUs) {
  ChildOptions options;
  options.argv = {"/proc/self/exe", "--gtest_also_run_disabled_tests",
                  "--gtest_filter=*.DISABLED_StartAWrapperAndWait"};
  auto parent = ChildProcess::Start(std::move(options));
  ASSERT_TRUE(parent.ok()) << parent.status();
  std::vector<pid_t> grandchildren;
  while (grandchildren.size() < 2) {
    const auto line = (*parent)->ReadLine(kLong, kMaxLine);
    ASSERT_TRUE(line.ok()) << line.status();
    if (line->starts_with("child ")) grandchildren.push_back(std::stoi(line->substr(6)));
  }
  for (const pid_t pid : grandchildren) EXPECT_FALSE(Gone(pid)) << pid;
  // Like kill -9: only the process, without any warning.
  kill((*parent)->pid(), SIGKILL);
  for (const pid_t pid : grandchildren) ExpectGoneSoon(pid);
}

TEST(ChildProcess, TellsWhetherTheLastLineWasRead) {
  auto child =
      Shell("read -r line; echo one; sleep 0.3; dd bs=1 count=1 of=/dev/null status=none; echo byte; exec sleep 1000");
  EXPECT_FALSE(child->HasReadOfLastLine());
  ASSERT_TRUE(child->WriteLine("first", kLong).ok());
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "one");
  EXPECT_TRUE(child->HasReadOfLastLine());
  ASSERT_TRUE(child->WriteLine("second", kLong).ok());
  EXPECT_FALSE(child->HasReadOfLastLine());
  EXPECT_EQ(*child->ReadLine(kLong, kMaxLine), "byte");
  EXPECT_TRUE(child->HasReadOfLastLine());
  ASSERT_TRUE(child->WriteLine("", kLong).ok());
  EXPECT_FALSE(child->HasReadOfLastLine());
  child->Kill();
  ASSERT_TRUE(child->Wait(kLong).has_value());
  EXPECT_FALSE(child->HasReadOfLastLine());
}

}  // namespace
}  // namespace layernas
