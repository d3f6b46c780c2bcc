// Tests the real program through its standard input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/worker/trainer/temp_folder.h"
#include "tests/worker/trainer/test_requests.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;
using namespace nlohmann::literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

class TrainerProcess : public TempFolder {
 protected:
  // Runs the trainer until its input ends. Sets exit_code_ and stderr_, and returns the lines of
  // its output.
  std::vector<nlohmann::json> Run(const std::string& input, const std::string& flags = "") {
    std::ofstream(folder_ / "in") << input;
    const std::string path = folder_.string();
    const std::string command = limit_ + "timeout 240 " TRAINER_BINARY " --cache-dir " + path + "/cache " + flags +
                                " <" + path + "/in >" + path + "/out 2>" + path + "/err";
    exit_code_ = std::system(command.c_str());
    std::vector<nlohmann::json> lines;
    std::ifstream out(folder_ / "out");
    for (std::string line; std::getline(out, line);) lines.push_back(nlohmann::json::parse(line));
    stderr_ = ReadAll(folder_ / "err");
    return lines;
  }

  // Shell commands to run before the trainer.
  std::string limit_;
  int exit_code_ = -1;
  std::string stderr_;
};

TEST_F(TrainerProcess, AnswersOneRequestAfterAnother) {
  nlohmann::json diverging = SmallRequest();
  diverging["evaluate"]["train"].update({{"learning_rate", 1000}, {"momentum", 1}, {"epochs", 50}});
  nlohmann::json missing_data = SmallRequest();
  missing_data["evaluate"]["train"]["dataset"] = "cifar10";
  const std::string good = SmallRequest().dump() + "\n";
  const auto lines = Run("not JSON\n" + good + diverging.dump() + "\n" + missing_data.dump() + "\n" + good,
                         "--data-dir " + (folder_ / "absent").string());
  EXPECT_EQ(exit_code_, 0) << stderr_;

  std::vector<nlohmann::json> answers;
  int progress = 0;
  int loading_before_epochs = 0;
  for (const nlohmann::json& line : lines) {
    if (line.contains("progress")) {
      if (line["progress"].contains("epoch")) ++progress;
      if (progress == 0 && line["progress"].contains("loading")) ++loading_before_epochs;
    } else {
      answers.push_back(line);
    }
  }
  ASSERT_EQ(answers.size(), 5U) << stderr_;
  EXPECT_GE(progress, 4);
  // At the beginning, and when all images are there.
  EXPECT_GE(loading_before_epochs, 2);
  EXPECT_THAT(answers[0].dump(), HasSubstr("not JSON"));
  EXPECT_EQ(answers[2]["failure"]["kind"], "infeasible") << answers[2];
  EXPECT_EQ(answers[3]["failure"]["kind"], "retry") << answers[3];
  EXPECT_THAT(answers[3].dump(), HasSubstr("absent"));

  const nlohmann::json& first = answers[1]["result"]["metrics"];
  const nlohmann::json& again = answers[4]["result"]["metrics"];
  for (const char* name :
       {"accuracy", "data_checksum", "train_loss", "train_seconds", "params", "multiply_adds", "latency_ms",
        "latency_p90_ms", "latency_p99_ms", "latency_spread", "latency_ratio", "latency_runs", "latency_ratio_interval",
        "latency_reference_ms", "machine_fingerprint", "machine_stolen"}) {
    ASSERT_TRUE(first.contains(name)) << name << " in " << answers[1];
    EXPECT_TRUE(std::isfinite(first[name].get<double>())) << name;
  }
  EXPECT_GE(first["latency_runs"], 30);
  // For users who want to see the progress.
  EXPECT_THAT(stderr_, HasSubstr("epoch 1 of "));
  EXPECT_THAT(stderr_, HasSubstr(" ms in "));
  // State that other requests leave in the process changes nothing.
  EXPECT_EQ(first["accuracy"], again["accuracy"]);
  EXPECT_EQ(first["train_loss"], again["train_loss"]);
}

TEST_F(TrainerProcess, MeasuresWithoutTraining) {
  nlohmann::json body = SmallRequest()["evaluate"];
  body.erase("train");
  body["work"] = {"measure"};
  const auto lines = Run(nlohmann::json{{"evaluate", body}}.dump() + "\n");
  ASSERT_EQ(lines.size(), 1U) << stderr_;
  const nlohmann::json& metrics = lines[0]["result"]["metrics"];
  EXPECT_GT(metrics.value("latency_ratio", 0.0), 0) << lines[0];
  EXPECT_GT(metrics.value("params", 0.0), 0) << lines[0];
  EXPECT_FALSE(metrics.contains("accuracy")) << lines[0];
}

TEST_F(TrainerProcess, TrainsWithoutMeasuring) {
  nlohmann::json request = SmallRequest();
  request["evaluate"]["work"] = {"train"};
  const auto lines = Run(request.dump() + "\n");
  ASSERT_FALSE(lines.empty()) << stderr_;
  const nlohmann::json& metrics = lines.back()["result"]["metrics"];
  EXPECT_TRUE(metrics.contains("accuracy")) << lines.back();
  EXPECT_FALSE(metrics.contains("latency_ms")) << lines.back();
}

TEST_F(TrainerProcess, ReadsTheDataItIsGiven) {
  fs::create_directory(folder_ / "tiny");
  for (int i = 1; i <= 5; ++i) {
    std::ofstream file(folder_ / "tiny" / ("data_batch_" + std::to_string(i) + ".bin"), std::ios::binary);
    for (int record = 0; record < 10; ++record)
      file << static_cast<char>(record) << std::string(3072, char(9 * record));
  }
  nlohmann::json request = SmallRequest();
  request["evaluate"]["train"] = {
      {"dataset", "cifar10"}, {"epochs", 1}, {"batch", 16}, {"parameters", {{"folder", "tiny"}}}};
  const auto lines = Run(request.dump() + "\n", "--data-dir " + folder_.string());
  ASSERT_FALSE(lines.empty()) << stderr_;
  EXPECT_TRUE(lines.back().contains("result")) << lines.back();
}

TEST_F(TrainerProcess, WhatTheDataLacksIsSaid) {
  nlohmann::json request = SmallRequest();
  request["evaluate"]["work"] = {"train"};
  request["evaluate"]["train"].update({{"epochs", 1}, {"validation_examples", 3}});
  const auto lines = Run(request.dump() + "\n");
  ASSERT_FALSE(lines.empty()) << stderr_;
  EXPECT_TRUE(lines.back().contains("result")) << lines.back();
  EXPECT_THAT(stderr_, HasSubstr("warning: shapes10: 7 of 10 classes have no validation image"));
}

// Returns the answers among the lines.
std::vector<nlohmann::json> Answers(const std::vector<nlohmann::json>& lines) {
  std::vector<nlohmann::json> answers;
  for (const nlohmann::json& line : lines) {
    if (!line.contains("progress")) answers.push_back(line);
  }
  return answers;
}

TEST_F(TrainerProcess, WhatWasStoppedGoesOnAndEndsTheSame) {
  nlohmann::json request = SmallRequest();
  request["evaluate"]["train"]["epochs"] = 40;
  const std::string line = request.dump() + "\n";
  auto whole_lines = Run(line);
  const nlohmann::json whole = whole_lines.back()["result"]["metrics"];
  const auto without_loading = [](std::vector<nlohmann::json> all) {
    all.erase(
        std::remove_if(all.begin(), all.end(),
                       [](const nlohmann::json& each) { return each.contains("/progress/loading"_json_pointer); }),
        all.end());
    return all;
  };
  // The data is loaded once. Later runs map its file and write fewer such lines.
  whole_lines = without_loading(std::move(whole_lines));
  // Stopped by the signal after the fifth epoch was reported. The shell keeps the pipe open, so
  // that the trainer does not end because its input ends.
  const std::string path = folder_.string();
  Write("stop.sh", "mkfifo " + path + "/out.fifo; exec 7<>" + path + "/out.fifo\n" TRAINER_BINARY " --cache-dir " +
                       path + "/cache <" + path + "/in >&7 2>" + path + "/err & trainer=$!\n" +
                       "epochs=0; while [ $epochs -lt 5 ]; do read -r line <&7\n" +
                       "case $line in *'\"epoch\"'*) epochs=$((epochs+1));; esac; done\n" +
                       "kill -TERM $trainer; wait $trainer\n");
  const int status = std::system(("timeout 240 bash " + path + "/stop.sh").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 128 + 15) << ReadAll(folder_ / "err");
  ASSERT_FALSE(fs::is_empty(folder_ / "cache" / "checkpoints"));

  const auto lines = without_loading(Run(line));
  ASSERT_TRUE(lines.back().contains("result")) << lines.back();
  EXPECT_THAT(stderr_, HasSubstr("resuming an interrupted training in epoch "));
  // The whole learning curve is reported, including the epochs before the interruption.
  ASSERT_EQ(lines.size(), whole_lines.size());
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) EXPECT_EQ(lines[i], whole_lines[i]);
  const nlohmann::json& metrics = lines.back()["result"]["metrics"];
  EXPECT_EQ(metrics["accuracy"], whole["accuracy"]);
  EXPECT_EQ(metrics["train_loss"], whole["train_loss"]);
  EXPECT_TRUE(fs::is_empty(folder_ / "cache" / "checkpoints"));
}

TEST_F(TrainerProcess, FailuresNameTheirCause) {
  Write("cifar/train.bin", "not CIFAR-100");
  nlohmann::json corrupted = SmallRequest();
  corrupted["evaluate"]["train"].update({{"dataset", "cifar100"}, {"parameters", {{"folder", "cifar"}}}});
  nlohmann::json unknown = SmallRequest();
  unknown["evaluate"]["architecture"]["layers"][0]["option"] = "convv_k3";
  const auto answers = Answers(Run(corrupted.dump() + "\n" + unknown.dump() + "\n" + SmallRequest().dump() + "\n",
                                   "--data-dir " + folder_.string()));
  ASSERT_EQ(answers.size(), 3U) << stderr_;
  EXPECT_EQ(answers[0]["failure"]["kind"], "retry");
  EXPECT_THAT(answers[0].dump(), HasSubstr((folder_ / "cifar/train.bin").string()));
  EXPECT_EQ(answers[1]["failure"]["kind"], "infeasible");
  EXPECT_THAT(answers[1].dump(), HasSubstr("block1"));
  EXPECT_THAT(answers[1].dump(), HasSubstr("convv"));
  EXPECT_TRUE(answers[2].contains("result")) << answers[2];
}

TEST_F(TrainerProcess, OutOfMemoryIsSaidWithSizes) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer needs more address space than there is under a limit";
#endif
  nlohmann::json request = SmallRequest();
  request["evaluate"]["measure"]["batch"] = 65536;
  limit_ = "ulimit -v 3000000; ";
  const auto answers = Answers(Run(request.dump() + "\n" + SmallRequest().dump() + "\n"));
  ASSERT_EQ(answers.size(), 2U) << stderr_;
  EXPECT_EQ(answers[0]["failure"]["kind"], "out_of_memory") << answers[0];
  EXPECT_THAT(answers[0].dump(), HasSubstr("out of memory"));
  EXPECT_THAT(answers[0].dump(), HasSubstr("MiB"));
  EXPECT_TRUE(answers[1].contains("result")) << answers[1];
}

// The network has about 5 GB of weights. Another machine may have the memory, so it must not be
// called infeasible.
TEST_F(TrainerProcess, OutOfMemoryWhileTheNetworkIsBuiltIsSaidAsSuch) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer needs more address space than there is under a limit";
#endif
  nlohmann::json request = SmallRequest();
  request["evaluate"]["work"] = {"measure"};
  request["evaluate"]["architecture"]["layers"] = {
      Layer("block1", "conv_k3", 8192, 2), Layer("block2", "conv_k3", 8192, 1), Layer("block3", "conv_k3", 8192, 1)};
  limit_ = "ulimit -v 3000000; ";
  const auto answers = Answers(Run(request.dump() + "\n"));
  ASSERT_EQ(answers.size(), 1U) << stderr_;
  EXPECT_EQ(answers[0]["failure"]["kind"], "out_of_memory") << answers[0];
}

TEST_F(TrainerProcess, ALimitToTheSizeOfFilesIsAnErrorThatNamesTheFile) {
  nlohmann::json request = SmallRequest();
  request["evaluate"]["keep_weights"] = "search-1/3";
  limit_ = "ulimit -f 20; ";
  const auto answers = Answers(
      Run(request.dump() + "\n" + SmallRequest().dump() + "\n", "--weights-dir " + (folder_ / "weights").string()));
  ASSERT_EQ(answers.size(), 2U) << stderr_;
  EXPECT_EQ(answers[0]["failure"]["kind"], "retry") << answers[0];
  EXPECT_THAT(answers[0].dump(), HasSubstr("cannot keep the weights"));
  EXPECT_THAT(answers[0].dump(), HasSubstr("File too large"));
  EXPECT_THAT(answers[0].dump(), HasSubstr((folder_ / "weights/search-1/3.pt").string()));
  EXPECT_TRUE(answers[1].contains("result")) << answers[1];
}

TEST_F(TrainerProcess, AWeightsFolderThatCannotBeWrittenIsFoundBeforeTheTraining) {
  Write("file", "not a folder");
  nlohmann::json request = SmallRequest();
  request["evaluate"]["keep_weights"] = "search-1/3";
  const auto lines =
      Run(request.dump() + "\n" + SmallRequest().dump() + "\n", "--weights-dir " + (folder_ / "file").string());
  ASSERT_FALSE(lines.empty()) << stderr_;
  // There is no line of progress before it.
  ASSERT_TRUE(lines[0].contains("failure")) << lines[0];
  EXPECT_EQ(lines[0]["failure"]["kind"], "retry") << lines[0];
  EXPECT_THAT(lines[0].dump(), HasSubstr((folder_ / "file/search-1/3.pt").string()));
  // The trainer also warns when it starts. A request that keeps nothing is still trained.
  EXPECT_EQ(stderr_.find("warning: --weights-dir: cannot keep the weights"), 0U) << stderr_;
  EXPECT_TRUE(lines.back().contains("result")) << lines.back();
  // A trainer that keeps nothing creates no folder.
  Run("", "--weights-dir " + (folder_ / "absent").string());
  EXPECT_FALSE(fs::exists(folder_ / "absent"));
  EXPECT_EQ(stderr_, "");
}

TEST_F(TrainerProcess, ARequestThatIsNestedDeepIsRefused) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  const auto answers =
      Answers(Run("{\"evaluate\": {\"work\": " + deep + "}}\n" + deep + "\n" + SmallRequest().dump() + "\n"));
  ASSERT_EQ(answers.size(), 3U) << stderr_;
  EXPECT_THAT(answers[0].dump(), HasSubstr("nested more than 100 levels deep"));
  EXPECT_THAT(answers[1].dump(), HasSubstr("nested more than 100 levels deep"));
  EXPECT_TRUE(answers[2].contains("result")) << answers[2];
}

TEST_F(TrainerProcess, EndsAtOnceWithoutInput) {
  EXPECT_TRUE(Run("").empty());
  EXPECT_EQ(exit_code_, 0) << stderr_;
}

TEST_F(TrainerProcess, AGpuThatIsNotThereIsSaidAtOnce) {
  EXPECT_TRUE(Run(SmallRequest().dump() + "\n", "--device cuda:99").empty());
  EXPECT_NE(exit_code_, 0);
  EXPECT_THAT(stderr_, HasSubstr("cannot use device cuda:99"));
  Run("", "--device tpu");
  EXPECT_NE(exit_code_, 0);
  EXPECT_THAT(stderr_, HasSubstr("--device: must be auto, cpu, cuda or cuda:N, but is 'tpu'"));
}

TEST_F(TrainerProcess, ChecksDataWithoutTraining) {
  Write("tiny/train.bin", "not CIFAR-100");
  const auto check = [&](const std::string& flags) {
    const std::string command = TRAINER_BINARY " " + flags + " >" + (folder_ / "out").string();
    exit_code_ = WEXITSTATUS(std::system(command.c_str()));
    return ReadAll(folder_ / "out");
  };
  EXPECT_THAT(check("--data-dir " + folder_.string() + " --check-data tiny"), HasSubstr("error: "));
  EXPECT_EQ(exit_code_, 1);
  Write("tiny/train.bin", std::string(3 * 3074, '\1'));
  EXPECT_THAT(check("--check-data --data-dir " + (folder_ / "tiny").string()),
              AllOf(HasSubstr("warning: cifar100: 99 of 100 classes have no training image: 0, 2, 3, 4, 5, …\n"),
                    HasSubstr("warning: cifar100: 99 of 100 classes have no validation image"),
                    HasSubstr("cifar100, 3 images, 100 classes, 0 errors, 2 warnings")));
  EXPECT_EQ(exit_code_, 0);
}

TEST_F(TrainerProcess, ACheckOfDataNeedsAFolder) {
  Run("", "--check-data");
  EXPECT_EQ(WEXITSTATUS(exit_code_), 2);
  EXPECT_THAT(stderr_, HasSubstr("--check-data: needs --data-dir"));
  // Every name is relative to --data-dir, which may be left out.
  Write("tiny/train.bin", std::string(3 * 3074, '\1'));
  const std::string command = TRAINER_BINARY " --check-data " + (folder_ / "tiny").string() + " >/dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

// Data sets are often downloaded.
TEST_F(TrainerProcess, ShowsNamesOfFilesWithoutControlCharacters) {
  Write("images/train/cat/n\x1b]0;owned\x07.txt", "x");
  Write("images/train/dog/n\x1b[2J.png", "x");
  const std::string command =
      TRAINER_BINARY " --check-data --data-dir " + (folder_ / "images").string() + " >" + (folder_ / "out").string();
  EXPECT_NE(std::system(command.c_str()), 0);
  const std::string shown = ReadAll(folder_ / "out");
  EXPECT_THAT(shown, HasSubstr("n?[2J.png"));
  EXPECT_EQ(shown.find('\x1b'), std::string::npos) << shown;
}

TEST_F(TrainerProcess, WrongFlagIsRefused) {
  Run("", "--thread 2");
  EXPECT_NE(exit_code_, 0);
  EXPECT_THAT(stderr_, HasSubstr("--thread"));
}

}  // namespace
}  // namespace layernas::trainer
