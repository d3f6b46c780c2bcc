// Tests the real program with a controller whose answers the test decides.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/metrics/exposer.h"
#include "common/process/child_process.h"
#include "common/process/fd.h"
#include "tests/common/process/process_support.h"
#include "tests/worker/agent/fake_controller.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using State = FakeController::State;

class WorkerProgramTest : public ::testing::Test {
 protected:
  ~WorkerProgramTest() override {
    worker_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Start(std::vector<std::string> arguments) { StartProgram({LAYERNAS_WORKER}, std::move(arguments)); }
  // `program` may be a wrapper that becomes the worker.
  void StartProgram(std::vector<std::string> program, const std::vector<std::string>& arguments) {
    ChildOptions options;
    options.argv = std::move(program);
    for (const std::string& argument : {std::string("--controller"), controller_.address().ToString(),
                                        std::string("--ready-file"), (folder_ / "ready").string()}) {
      options.argv.push_back(argument);
    }
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    options.environment = {{"FOLDER", folder_.string()}};
    options.pipes = false;
    auto worker = ChildProcess::Start(std::move(options));
    ASSERT_TRUE(worker.ok()) << worker.status();
    worker_ = *std::move(worker);
  }

  std::string AwaitFile(const std::string& name) {
    for (int i = 0; i < 6000; ++i) {
      std::ifstream file(folder_ / name);
      std::string line;
      if (std::getline(file, line)) return line;
      std::this_thread::sleep_for(Millis(10));
    }
    ADD_FAILURE() << "no file " << name << "; the worker says:\n" << worker_->LastStderr();
    return "0";
  }

  // Returns a pipe for the standard error of a worker that is started with 2>$FOLDER/log. The
  // caller is its only reader.
  Fd MakeLogPipe() {
    const std::string path = folder_ / "log";
    EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    return Fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }

  void Hand(int number) {
    controller_.With([number](State& state) {
      v1::Task task;
      task.set_lease_token("lease-" + std::to_string(number));
      task.mutable_architecture()->set_id("01");
      task.mutable_timeout()->set_seconds(60);
      state.tasks.push_back(task);
    });
  }

  const std::filesystem::path folder_ = [] {
    std::string path = ::testing::TempDir() + "layernas_worker_XXXXXX";
    return std::filesystem::path(mkdtemp(path.data()));
  }();
  FakeController controller_;
  std::unique_ptr<ChildProcess> worker_;
};

TEST_F(WorkerProgramTest, EvaluatesFromATableAndDrainsOnSigterm) {
  const std::string table = folder_ / "table.csv";
  std::ofstream(table) << "arch,acc\n01,0.75\n";
  Start({"--evaluator", "tabular", "--table", table, "--metric", "accuracy=acc"});
  Hand(1);
  controller_.Await("a result", [](const State& state) { return state.completions.size() == 1; });
  controller_.With([](State& state) { EXPECT_EQ(state.completions[0].result().metrics().at("accuracy"), 0.75); });
  const auto ready = nlohmann::json::parse(AwaitFile("ready"));
  const auto metrics_address = rpc::ParseAddress(ready.at("metrics_address").get<std::string>());
  ASSERT_TRUE(metrics_address.ok()) << metrics_address.status();
  EXPECT_GT(metrics_address->port, 0);
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
}

TEST_F(WorkerProgramTest, EachSignalGivesTheTaskBackAndEndsItsProcess) {
  for (const int signal : {SIGTERM, SIGHUP, SIGINT}) {
    std::filesystem::remove(folder_ / "pid");
    controller_.With([](State& state) { state.released.clear(); });
    Start({"--command", "sh -c 'read -r request; echo $$ $LAYERNAS_SLOT $OMP_NUM_THREADS > $FOLDER/pid; sleep 1000'"});
    Hand(1);
    std::istringstream told(AwaitFile("pid"));
    pid_t child = 0;
    int slot = -1;
    int threads = 0;
    told >> child >> slot >> threads;
    EXPECT_EQ(slot, 0);
    EXPECT_GT(threads, 0);
    kill(worker_->pid(), signal);
    const auto exit = worker_->Wait(kLong);
    ASSERT_TRUE(exit.has_value());
    EXPECT_EQ(exit->ToString(), "exit code 0") << strsignal(signal);
    controller_.With([](State& state) { EXPECT_THAT(state.released, ElementsAre("lease-1")); });
    EXPECT_EQ(kill(child, 0), -1);
    EXPECT_EQ(errno, ESRCH);
  }
}

TEST_F(WorkerProgramTest, ThreadsAreOfTheProcessorsThatItMayUse) {
  cpu_set_t usable;
  ASSERT_EQ(sched_getaffinity(0, sizeof(usable), &usable), 0);
  int first = 0;
  while (!CPU_ISSET(first, &usable)) ++first;
  StartProgram({"taskset", "-c", std::to_string(first), LAYERNAS_WORKER},
               {"--slots", "1", "--command", "sh -c 'read -r request; echo $OMP_NUM_THREADS > $FOLDER/threads'"});
  Hand(1);
  EXPECT_EQ(AwaitFile("threads"), "1");
}

// Signals within a second are one request.
constexpr Millis kSameRequest{1'100};

TEST_F(WorkerProgramTest, ASecondSignalLeavesAtOnce) {
  controller_.With([](State& state) { state.failing_releases = 1'000'000; });
  Start({"--command", "sh -c 'read -r request; echo $$ > $FOLDER/pid; sleep 1000'"});
  Hand(1);
  AwaitFile("pid");
  kill(worker_->pid(), SIGTERM);
  controller_.Await("the drain", [](const State& state) { return state.failing_releases < 1'000'000; });
  std::this_thread::sleep_for(kSameRequest);
  kill(worker_->pid(), SIGTERM);
  EXPECT_EQ(worker_->Wait(kLong)->ToString(), "exit code 1");
}

// The kernel kills direct children with the worker, but not what they started.
TEST_F(WorkerProgramTest, ASecondSignalTakesTheWholeGroupOfAnEvaluator) {
  Start({"--evaluator-grace", "60s", "--command",
         "sh -c 'read -r request; trap \"echo asked > $FOLDER/asked\" TERM; (trap \"\" TERM; exec sleep 1000) & "
         "echo $! > $FOLDER/pid; while :; do wait; sleep 0.01; done'"});
  Hand(1);
  const pid_t grandchild = std::stoi(AwaitFile("pid"));
  kill(worker_->pid(), SIGTERM);
  AwaitFile("asked");
  std::this_thread::sleep_for(kSameRequest);
  kill(worker_->pid(), SIGTERM);
  EXPECT_EQ(worker_->Wait(kLong)->ToString(), "exit code 1");
  // SIGKILL has been sent, but takes a moment.
  ExpectGoneSoon(grandchild);
}

// As with timeout(1) in a wrapper: its own group in the evaluator's session.
TEST_F(WorkerProgramTest, TheDrainEndsWhatAWrapperHasStartedInAnotherGroup) {
  const std::string wrapper = folder_ / "wrap.sh";
  std::ofstream(wrapper) << "timeout 3600 sh -c 'echo $$ > $FOLDER/pid; exec sleep 1000'\ntrue\n";
  Start({"--command", "sh " + wrapper});
  Hand(1);
  const pid_t grandchild = std::stoi(AwaitFile("pid"));
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
  // It has got the signal, but may not have ended, or not have been reaped.
  ExpectGoneSoon(grandchild);
}

TEST_F(WorkerProgramTest, AProcessThatOutlivesTheEvaluatorAndTalksDoesNotHoldTheDrain) {
  const std::string wrapper = folder_ / "wrap.sh";
  // It ends by SIGPIPE when nobody reads its output.
  std::ofstream(wrapper) << "setsid sh -c 'echo $$ > $FOLDER/pid; while :; do echo epoch; sleep 0.01; done' &\nwait\n";
  Start({"--command", "sh " + wrapper});
  Hand(1);
  AwaitFile("pid");
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
  controller_.With([](State& state) { EXPECT_THAT(state.released, ElementsAre("lease-1")); });
}

// nohup(1) lets a program outlive its terminal.
TEST_F(WorkerProgramTest, AHangupThatWasIgnoredAtTheStartStaysIgnored) {
  const std::string table = folder_ / "table.csv";
  std::ofstream(table) << "arch,acc\n01,0.75\n";
  StartProgram({"/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", LAYERNAS_WORKER},
               {"--evaluator", "tabular", "--table", table, "--metric", "accuracy=acc"});
  AwaitFile("ready");
  kill(worker_->pid(), SIGHUP);
  // Otherwise it would drain before it takes another task.
  Hand(1);
  controller_.Await("a result", [](const State& state) { return state.completions.size() == 1; });
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
  EXPECT_THAT(worker_->LastStderr(), HasSubstr("Terminated"));
}

// If standard error is closed, output must not go into the next opened file.
TEST_F(WorkerProgramTest, ClosedStandardStreamsTakeNobodysPlace) {
  const std::string table = folder_ / "table.csv";
  std::ofstream(table) << "arch,acc\n01,0.75\n";
  StartProgram({"/bin/sh", "-c", "exec \"$@\" >&- 2>&-", "sh", LAYERNAS_WORKER},
               {"--evaluator", "tabular", "--table", table, "--metric", "accuracy=acc"});
  AwaitFile("ready");
  for (const char* stream : {"1", "2"}) {
    const auto file = std::filesystem::path("/proc") / std::to_string(worker_->pid()) / "fd" / stream;
    EXPECT_EQ(std::filesystem::read_symlink(file), "/dev/null") << stream;
  }
  Hand(1);
  controller_.Await("a result", [](const State& state) { return state.completions.size() == 1; });
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
}

TEST_F(WorkerProgramTest, AReaderOfTheLogThatGoesAwayDoesNotEndIt) {
  const std::string table = folder_ / "table.csv";
  std::ofstream(table) << "arch,acc\n01,0.75\n";
  Fd reader = MakeLogPipe();
  StartProgram({"/bin/sh", "-c", "exec \"$@\" 2>$FOLDER/log", "sh", LAYERNAS_WORKER},
               {"--evaluator", "tabular", "--table", table, "--metric", "accuracy=acc"});
  AwaitFile("ready");
  reader.Close();
  Hand(1);
  controller_.Await("a result", [](const State& state) { return state.completions.size() == 1; });
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
}

TEST_F(WorkerProgramTest, ALogThatNobodyReadsHoldsNeitherResultsNorTheDrain) {
  const Fd reader = MakeLogPipe();
  const std::string trainer = folder_ / "trainer.sh";
  // More than a pipe can hold.
  std::ofstream(trainer) << "while read -r request; do for i in $(seq 190); do printf '%0300d\\n' $i >&2; done\n"
                            "echo '{\"result\": {\"metrics\": {\"accuracy\": 0.5}}}'; done\n";
  StartProgram({"/bin/sh", "-c", "exec \"$@\" 2>$FOLDER/log", "sh", LAYERNAS_WORKER}, {"--command", "sh " + trainer});
  Hand(1);
  Hand(2);
  controller_.Await("results", [](const State& state) { return state.completions.size() == 2; });
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
}

// As with a terminal that was stopped with ^S.
TEST_F(WorkerProgramTest, ATerminalThatNobodyReadsHoldsNeitherResultsNorTheDrain) {
  const Fd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_EQ(grantpt(master.get()), 0);
  ASSERT_EQ(unlockpt(master.get()), 0);
  const std::string trainer = folder_ / "trainer.sh";
  std::ofstream(trainer) << "while read -r request; do for i in $(seq 190); do printf '%0300d\\n' $i >&2; done\n"
                            "echo '{\"result\": {\"metrics\": {\"accuracy\": 0.5}}}'; done\n";
  StartProgram({"/bin/sh", "-c", std::string("exec \"$@\" 2>") + ptsname(master.get()), "sh", LAYERNAS_WORKER},
               {"--command", "sh " + trainer});
  for (int i = 1; i <= 4; ++i) Hand(i);
  controller_.Await("results", [](const State& state) { return state.completions.size() == 4; });
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
}

TEST_F(WorkerProgramTest, ASlowReaderOfTheLogHoldsNeitherResultsNorTheDrain) {
  constexpr int kTasks = 2'000;
  const std::string table = folder_ / "table.csv";
  std::ofstream(table) << "arch,acc\n01,0.75\n";
  const Fd reader = MakeLogPipe();
  StartProgram({"/bin/sh", "-c", "exec \"$@\" 2>$FOLDER/log", "sh", LAYERNAS_WORKER},
               {"--evaluator", "tabular", "--table", table, "--metric", "accuracy=acc", "--slots", "16"});
  std::jthread reading([fd = reader.get()](const std::stop_token& stop) {
    std::array<char, 4096> buffer;
    while (!stop.stop_requested()) {
      [[maybe_unused]] const ssize_t count = read(fd, buffer.data(), buffer.size());
      std::this_thread::sleep_for(Millis(200));
    }
  });
  for (int i = 1; i <= kTasks; ++i) Hand(i);
  const auto start = std::chrono::steady_clock::now();
  controller_.Await("results", [](const State& state) { return state.completions.size() == kTasks; });
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
  // The reader takes 20 KB per second, and there are more than 300 KB.
  EXPECT_LT(std::chrono::steady_clock::now() - start, Millis(12'000));
}

// A program that ignores the ends of its children passes that setting on to its children.
TEST_F(WorkerProgramTest, EndsOfChildrenAreSeenAlsoWhereTheyWereIgnored) {
  StartProgram({"env", "--ignore-signal=CHLD", LAYERNAS_WORKER},
               {"--command",
                "sh -c 'read -r request; echo \"{\\\"result\\\": {\\\"metrics\\\": {\\\"accuracy\\\": "
                "0.5}}}\"'"});
  AwaitFile("ready");
  const auto start = std::chrono::steady_clock::now();
  Hand(1);
  controller_.Await("a result", [](const State& state) { return state.completions.size() == 1; });
  EXPECT_LT(std::chrono::steady_clock::now() - start, Millis(8'000));
  controller_.With([](State& state) { EXPECT_TRUE(state.completions[0].has_result()); });
}

// The soft limit is for programs that do not request more.
TEST_F(WorkerProgramTest, SlotsMayTakeMoreFilesThanTheSoftLimit) {
  constexpr int kSlots = 30;
  StartProgram({"/bin/sh", "-c", "ulimit -Sn 100; exec \"$@\"", "sh", LAYERNAS_WORKER},
               {"--slots", std::to_string(kSlots), "--command",
                "sh -c 'read -r request; ulimit -Sn > $FOLDER/limit-$LAYERNAS_SLOT; sleep 1000'"});
  for (int i = 1; i <= kSlots; ++i) Hand(i);
  for (int slot = 0; slot < kSlots; ++slot) EXPECT_EQ(AwaitFile("limit-" + std::to_string(slot)), "100");
  controller_.With([](State& state) { EXPECT_TRUE(state.completions.empty()); });
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
}

// All children may start at the same time, when each uses the most files.
TEST_F(WorkerProgramTest, AsManySlotsAsTheHardLimitLetsRunStartTogether) {
  constexpr int kSlots = 100;
  StartProgram({"/bin/sh", "-c", "ulimit -n 1064; exec \"$@\"", "sh", LAYERNAS_WORKER},
               {"--slots", std::to_string(kSlots), "--command",
                "sh -c 'read -r request; echo > $FOLDER/runs-$LAYERNAS_SLOT; sleep 1000'"});
  for (int i = 1; i <= kSlots; ++i) Hand(i);
  for (int slot = 0; slot < kSlots; ++slot) AwaitFile("runs-" + std::to_string(slot));
  controller_.With([](State& state) { EXPECT_TRUE(state.completions.empty()); });
  EXPECT_EQ(worker_->Terminate(kLong).ToString(), "exit code 0");
}

TEST_F(WorkerProgramTest, MoreSlotsThanTheHardLimitLetsRunAreRefused) {
  StartProgram({"/bin/sh", "-c", "ulimit -n 1063; exec \"$@\"", "sh", LAYERNAS_WORKER},
               {"--slots", "100", "--command", "sleep 1000"});
  const auto exit = worker_->Wait(Millis(10'000));
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->ToString(), "exit code 1");
  EXPECT_THAT(worker_->LastStderr(),
              HasSubstr("cannot run 100 slots: they need up to 1064 open files, and the limit is 1063"));
}

TEST_F(WorkerProgramTest, WhatCannotWorkIsToldAtTheStart) {
  const auto fails = [this](std::vector<std::string> arguments, const std::string& exit, const std::string& message) {
    Start(std::move(arguments));
    const auto status = worker_->Wait(kLong);
    ASSERT_TRUE(status.has_value());
    EXPECT_EQ(status->ToString(), exit);
    EXPECT_THAT(worker_->LastStderr(), HasSubstr(message));
  };
  fails({"--command", "/no/such/trainer"}, "exit code 2", "cannot start /no/such/trainer");
  fails({"--evaluator", "tabular", "--table", "/no/such/table", "--metric", "a=b"}, "exit code 1", "/no/such/table");
  const auto busy = MetricsExposer::Start({"127.0.0.1", 0}, std::make_shared<prometheus::Registry>());
  ASSERT_TRUE(busy.ok());
  const std::string address = (*busy)->address().ToString();
  fails({"--command", "sh", "--metrics-listen", address}, "exit code 1", "cannot serve metrics on " + address);
}

// The log starts the first thread of all. Without it, nothing can be logged.
TEST_F(WorkerProgramTest, WithoutAnyThreadItEndsWithAnError) {
  // No machine has room for a stack of this size.
  StartProgram({"/usr/bin/prlimit", "--stack=1152921504606846976", LAYERNAS_WORKER}, {"--command", "cat"});
  EXPECT_EQ(worker_->Wait(kLong)->ToString(), "exit code 1");
  EXPECT_THAT(worker_->LastStderr(), HasSubstr("cannot start: Resource temporarily unavailable"));
}

}  // namespace
}  // namespace layernas
