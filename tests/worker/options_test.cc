#include "worker/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace layernas {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

absl::StatusOr<WorkerOptions> Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "layernas-worker");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  return ParseOptions(static_cast<int>(pointers.size()), pointers.data());
}

std::string Error(std::vector<std::string> arguments) {
  return std::string(Parse(std::move(arguments)).status().message());
}

TEST(WorkerOptions, ReadsAnExecWorker) {
  const auto options = Parse({"--controller", "host:1", "--id", "w", "--slots", "3", "--label", "device=cpu", "--label",
                              "memory=8", "--command", "sh -c 'echo \"a b\"'", "--ready-file", "/tmp/r"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->controller.ToString(), "host:1");
  EXPECT_EQ(options->agent.worker_id, "w");
  EXPECT_EQ(options->agent.slots, 3);
  EXPECT_THAT(options->agent.labels, ElementsAre(Pair("device", "cpu"), Pair("memory", "8")));
  ASSERT_TRUE(options->exec.has_value());
  EXPECT_THAT(options->exec->argv, ElementsAre("sh", "-c", "echo \"a b\""));
  EXPECT_EQ(options->metrics_listen.ToString(), "127.0.0.1:0");
  EXPECT_EQ(options->ready_file, "/tmp/r");
}

TEST(WorkerOptions, ReadsATabularWorker) {
  const auto options = Parse({"--evaluator", "tabular", "--table", "t.csv", "--metric", "accuracy=a1,a2", "--metric",
                              "latency_ms=ms", "--delay", "1m30s", "--curve", "e1,e2", "--curve", "e3"});
  ASSERT_TRUE(options.ok()) << options.status();
  ASSERT_TRUE(options->table.has_value());
  EXPECT_EQ(options->table->architecture_column, "arch");
  ASSERT_EQ(options->table->metrics.size(), 2u);
  EXPECT_EQ(options->table->metrics[0].name, "accuracy");
  EXPECT_THAT(options->table->metrics[0].columns, ElementsAre("a1", "a2"));
  EXPECT_THAT(options->table->curve, ElementsAre("e1", "e2", "e3"));
  EXPECT_EQ(options->delay, std::chrono::seconds(90));
}

TEST(WorkerOptions, TheControllerMayComeFromTheEnvironment) {
  setenv("LAYERNAS_CONTROLLER", "elsewhere:9", 1);
  const auto options = Parse({"--command", "sh"});
  unsetenv("LAYERNAS_CONTROLLER");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->controller.ToString(), "elsewhere:9");
}

TEST(WorkerOptions, NetworksAreKeptOnlyWhereTheyCanBe) {
  const auto options = Parse({"--command", "sh", "--weights-dir", ::testing::TempDir() + "not/yet/there"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_TRUE(options->agent.keeps_weights);
  EXPECT_EQ(options->weights_dir, ::testing::TempDir() + "not/yet/there");
  // Root cannot write to it either.
  EXPECT_THAT(Error({"--command", "sh", "--weights-dir", "/dev/null/weights"}),
              HasSubstr("--weights-dir: cannot write to directory /dev/null/weights: /dev/null is not a directory"));
}

// The paths of networks are part of results.
TEST(WorkerOptions, AFolderWhosePathNoResultCanCarryIsRefused) {
  EXPECT_THAT(Error({"--command", "sh", "--weights-dir", "/tmp/a\tb"}),
              HasSubstr("--weights-dir: the path /tmp/a\\x09b must not hold control characters"));
  EXPECT_THAT(Error({"--command", "sh", "--weights-dir", "/tmp/\xff"}),
              HasSubstr("--weights-dir: the path /tmp/\\xff is not UTF-8"));
  setenv("XDG_DATA_HOME", "/tmp/\xff", 1);
  const auto options = Parse({"--command", "sh"});
  unsetenv("XDG_DATA_HOME");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->weights_dir, "");
  EXPECT_THAT(options->weights_fault, HasSubstr("is not UTF-8"));
}

TEST(WorkerOptions, ARelativeFolderBelowAFolderThatIsGoneIsAnError) {
  const std::filesystem::path before = std::filesystem::current_path();
  const std::filesystem::path gone = ::testing::TempDir() + "layernas_gone";
  std::filesystem::create_directory(gone);
  std::filesystem::current_path(gone);
  std::filesystem::remove(gone);
  const std::string error = Error({"--command", "sh", "--weights-dir", "weights"});
  std::filesystem::current_path(before);
  EXPECT_EQ(error,
            "--weights-dir: cannot determine the current directory: No such file or directory; give an absolute path");
}

// A service user may have no writable home folder.
TEST(WorkerOptions, ADefaultFolderThatCannotBeWrittenKeepsNothing) {
  setenv("XDG_DATA_HOME", "/dev/null", 1);
  const auto options = Parse({"--command", "sh"});
  unsetenv("XDG_DATA_HOME");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_FALSE(options->agent.keeps_weights);
  EXPECT_EQ(options->weights_dir, "");
  EXPECT_THAT(options->weights_fault, HasSubstr("/dev/null is not a directory"));
}

// Also a folder that is the default one.
TEST(WorkerOptions, AGivenFolderThatCannotBeWrittenIsRefused) {
  setenv("XDG_DATA_HOME", "/dev/null", 1);
  const std::string error = Error({"--command", "sh", "--weights-dir", "/dev/null/layernas/weights"});
  setenv("LAYERNAS_WEIGHTS_DIR", "/dev/null/layernas/weights", 1);
  const std::string of_variable = Error({"--command", "sh"});
  unsetenv("LAYERNAS_WEIGHTS_DIR");
  unsetenv("XDG_DATA_HOME");
  EXPECT_THAT(error, HasSubstr("--weights-dir: cannot write to directory /dev/null/layernas/weights"));
  EXPECT_THAT(of_variable, HasSubstr("LAYERNAS_WEIGHTS_DIR: --weights-dir: cannot write to directory"));
}

// For example a service without a user.
TEST(WorkerOptions, WithoutADefaultFolderNothingIsKeptAndThatIsSaid) {
  const std::string home = getenv("HOME") != nullptr ? getenv("HOME") : "/";
  unsetenv("XDG_DATA_HOME");
  unsetenv("HOME");
  const auto options = Parse({"--command", "sh"});
  const auto unwanted = Parse({"--command", "sh", "--weights-dir", ""});
  setenv("HOME", home.c_str(), 1);
  const auto unwanted_with_a_home = Parse({"--command", "sh", "--weights-dir", ""});
  for (const auto* each : {&options, &unwanted, &unwanted_with_a_home}) {
    ASSERT_TRUE(each->ok()) << each->status();
    EXPECT_FALSE((*each)->agent.keeps_weights);
  }
  EXPECT_THAT(options->weights_fault, HasSubstr("neither XDG_DATA_HOME nor HOME"));
  EXPECT_EQ(unwanted->weights_fault, "");
  EXPECT_EQ(unwanted_with_a_home->weights_fault, "");
}

TEST(WorkerOptions, ErrorsNameTheFlag) {
  EXPECT_THAT(Error({"--command", "sh", "--controller", "nowhere"}),
              HasSubstr("--controller: not an address: \"nowhere\""));
  EXPECT_THAT(Error({"--command", "sh", "--label", "cpu"}), HasSubstr("--label: \"cpu\" is not of the form KEY=VALUE"));
  EXPECT_THAT(Error({"--command", "sh", "--label", "a=1", "--label", "a=2"}), HasSubstr("--label: a is given twice"));
  EXPECT_THAT(Error({"--command", "/no/such/trainer"}), HasSubstr("--command: cannot start /no/such/trainer"));
  EXPECT_THAT(Error({"--command", "sh 'x"}), HasSubstr("--command: a quote ' is not closed"));
  EXPECT_THAT(Error({"--evaluator", "tabular"}), HasSubstr("--table"));
  // Without --evaluator tabular, the trainer would run for hours.
  EXPECT_THAT(Error({"--table", "t.csv", "--metric", "accuracy=a"}),
              HasSubstr("--table: requires --evaluator tabular"));
  EXPECT_THAT(Error({"--metric", "accuracy=a"}), HasSubstr("--metric: requires --evaluator tabular"));
  EXPECT_THAT(Error({"--evaluator", "tabular", "--table", "t", "--metric", "accuracy=,a"}),
              HasSubstr("--metric: accuracy has an empty column name"));
  EXPECT_THAT(Error({"--evaluator", "tabular", "--table", "t", "--metric", "accuracy=a,"}),
              HasSubstr("--metric: accuracy has an empty column name"));
  for (const std::string curve : {"a,,b", "a,", ",a"}) {
    EXPECT_THAT(Error({"--evaluator", "tabular", "--table", "t", "--metric", "m=a", "--curve", curve}),
                HasSubstr("--curve: \"" + curve + "\" has an empty column name"));
  }
  EXPECT_THAT(Error({"--evaluator", "tabular", "--table", "t"}), HasSubstr("--metric"));
  EXPECT_THAT(Error({"--command", "sh", "--delay", "5s"}), HasSubstr("--delay: requires --evaluator tabular"));
  EXPECT_THAT(Error({"--command", "sh", "--curve", "a,b"}), HasSubstr("--curve: requires --evaluator tabular"));
  EXPECT_THAT(Error({"--command", "sh", "--architecture-column", "id"}),
              HasSubstr("--architecture-column: requires --evaluator tabular"));
  EXPECT_THAT(Error({"--evaluator", "tabular", "--table", "t", "--metric", "a=b", "--command", "no-such-program"}),
              HasSubstr("--command: requires --evaluator exec"));
  for (const char* grace : {"1m", "nonsense"}) {
    EXPECT_THAT(Error({"--evaluator", "tabular", "--table", "t", "--metric", "a=b", "--evaluator-grace", grace}),
                HasSubstr("--evaluator-grace: requires --evaluator exec"));
  }
  EXPECT_THAT(Error({"--evaluator", "tabular", "--table", "t", "--metric", "a=b", "--delay", "5"}),
              HasSubstr("--delay: "));
  EXPECT_THAT(Error({"--command", "sh", "--id", std::string(101, 'x')}), HasSubstr("--id"));
}

// If every controller would refuse the worker, it fails at its start.
TEST(WorkerOptions, WhatAControllerRefusesIsRefusedAtTheStart) {
  std::vector<std::string> many = {"--command", "sh"};
  for (int i = 0; i < 65; ++i) many.insert(many.end(), {"--label", "key" + std::to_string(i) + "=1"});
  EXPECT_EQ(Error(many), "--label: 65 given; the maximum is 64");
  many.resize(many.size() - 2);
  EXPECT_TRUE(Parse(many).ok());
  const std::string at_limit(100, 'v');
  EXPECT_TRUE(Parse({"--command", "sh", "--label", "gpu=" + at_limit}).ok());
  EXPECT_EQ(Error({"--command", "sh", "--label", "gpu=" + at_limit + at_limit}),
            "--label: the value of \"gpu\" has 200 bytes; the maximum is 100");
  EXPECT_EQ(Error({"--command", "sh", "--label", at_limit + "k=1"}),
            "--label: the key \"" + at_limit + "k\" has 101 bytes; the maximum is 100");
  EXPECT_EQ(Error({"--command", "sh", "--label", "a\x1b=1"}),
            "--label: the key \"a?\" must not hold control characters");
  EXPECT_EQ(Error({"--command", "sh", "--label", "a=\xff"}), "--label: the value of \"a\" is not UTF-8");
  EXPECT_EQ(Error({"--command", "sh", "--id", "a\nb"}), "--id: must not hold control characters");
  EXPECT_EQ(Error({"--command", "sh", "--id", "\xc3"}), "--id: is not UTF-8");
  EXPECT_EQ(Error({"--command", "sh", "--id", std::string(101, 'x')}), "--id: has 101 bytes; the maximum is 100");
}

TEST(WorkerOptions, MetricsKeepToTheLimitsOfAResult) {
  std::vector<std::string> many = {"--evaluator", "tabular", "--table", "t.csv"};
  for (int i = 0; i < 257; ++i) many.insert(many.end(), {"--metric", "m" + std::to_string(i) + "=a"});
  EXPECT_EQ(Error(many), "--metric: 257 given; the maximum is 256");
  many.resize(many.size() - 2);
  EXPECT_TRUE(Parse(many).ok());
  EXPECT_EQ(Error({"--evaluator", "tabular", "--table", "t.csv", "--metric", std::string(101, 'm') + "=a"}),
            "--metric: the name \"" + std::string(101, 'm') + "\" has 101 bytes; the maximum is 100");
  EXPECT_EQ(Error({"--evaluator", "tabular", "--table", "t.csv", "--metric", "a\tb=a"}),
            "--metric: the name \"a?b\" must not hold control characters");
}

TEST(WorkerOptionsDeathTest, CommandLinesThatCannotBeReadExitWithTwo) {
  EXPECT_EXIT(Parse({"--slots", "0"}), ::testing::ExitedWithCode(2), "slots");
  EXPECT_EXIT(Parse({"--no-such-flag"}), ::testing::ExitedWithCode(2), "no-such-flag");
  EXPECT_EXIT(Parse({"--version"}), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace layernas
