// The real program, fed through its standard input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/worker/trainer/temp_folder.h"
#include "tests/worker/trainer/test_requests.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class TrainerProcess : public TempFolder {
 protected:
  // Runs the trainer until its input ends; fills exit_code_, stderr_ and returns the lines of its output.
  std::vector<nlohmann::json> Run(const std::string& input, const std::string& flags = "") {
    std::ofstream(folder_ / "in") << input;
    const std::string path = folder_.string();
    const std::string command = "timeout 240 " TRAINER_BINARY " --cache-dir " + path + "/cache " + flags + " <" + path +
                                "/in >" + path + "/out 2>" + path + "/err";
    exit_code_ = std::system(command.c_str());
    std::vector<nlohmann::json> lines;
    std::ifstream out(folder_ / "out");
    for (std::string line; std::getline(out, line);) lines.push_back(nlohmann::json::parse(line));
    stderr_ = ReadAll(folder_ / "err");
    return lines;
  }

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
  for (const nlohmann::json& line : lines) {
    if (line.contains("progress")) {
      ++progress;
    } else {
      answers.push_back(line);
    }
  }
  ASSERT_EQ(answers.size(), 5U) << stderr_;
  EXPECT_GE(progress, 4);
  EXPECT_THAT(answers[0].dump(), HasSubstr("not JSON"));
  EXPECT_EQ(answers[2]["failure"]["kind"], "infeasible") << answers[2];
  EXPECT_EQ(answers[3]["failure"]["kind"], "retry") << answers[3];
  EXPECT_THAT(answers[3].dump(), HasSubstr("absent"));

  const nlohmann::json& first = answers[1]["result"]["metrics"];
  const nlohmann::json& again = answers[4]["result"]["metrics"];
  for (const char* name : {"accuracy", "train_loss", "train_seconds", "params", "multiply_adds", "latency_ms",
                           "latency_p90_ms", "latency_p99_ms", "latency_spread", "latency_ratio", "latency_runs",
                           "latency_ratio_interval", "latency_reference_ms", "machine_fingerprint", "machine_stolen"}) {
    ASSERT_TRUE(first.contains(name)) << name << " in " << answers[1];
    EXPECT_TRUE(std::isfinite(first[name].get<double>())) << name;
  }
  EXPECT_GE(first["latency_runs"], 30);
  // What other requests left behind in the process changes nothing.
  EXPECT_EQ(first["accuracy"], again["accuracy"]);
  EXPECT_EQ(first["train_loss"], again["train_loss"]);
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

TEST_F(TrainerProcess, EndsAtOnceWithoutInput) {
  EXPECT_TRUE(Run("").empty());
  EXPECT_EQ(exit_code_, 0) << stderr_;
}

TEST_F(TrainerProcess, WrongFlagIsRefused) {
  Run("", "--thread 2");
  EXPECT_NE(exit_code_, 0);
  EXPECT_THAT(stderr_, HasSubstr("--thread"));
}

}  // namespace
}  // namespace layernas::trainer
