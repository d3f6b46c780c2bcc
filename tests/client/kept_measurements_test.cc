#include "client/lookup/kept_measurements.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <utility>

namespace layernas::client {
namespace {

using nlohmann::json;

class KeptMeasurementsTest : public ::testing::Test {
 protected:
  KeptMeasurementsTest() { Clear(); }
  ~KeptMeasurementsTest() override { Clear(); }

  void Clear() const {
    for (const char* aside : {"", ".old", ".old2"}) std::filesystem::remove(path_ + aside);
  }

  KeptMeasurements Open(const json& asked) {
    auto kept = KeptMeasurements::Open(path_, asked);
    EXPECT_TRUE(kept.ok()) << kept.status();
    return *std::move(kept);
  }
  // Also closes the file.
  static void Add(KeptMeasurements kept, const std::string& architecture, double latency_ms) {
    EXPECT_TRUE(kept.Add(architecture, {{"latency_ms", latency_ms}}).ok());
  }
  void Write(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }

  const std::string path_ = ::testing::TempDir() + "layernas_kept_measurements.partial";
};

TEST_F(KeptMeasurementsTest, AreThereAgainForTheSameQuestionAlone) {
  Add(Open({{"space", 1}}), "012", 0.1);
  {
    KeptMeasurements again = Open({{"space", 1}});
    ASSERT_NE(again.Find("012"), nullptr);
    EXPECT_EQ(*again.Find("012"), (Metrics{{"latency_ms", 0.1}}));
    EXPECT_EQ(again.Find("000"), nullptr);
    Add(std::move(again), "000", 0.2);
  }
  EXPECT_EQ(Open({{"space", 1}}).count(), 2u);
}

TEST_F(KeptMeasurementsTest, AMisspeltQuestionCostsNothing) {
  Add(Open({{"space", 1}}), "012", 0.1);
  {
    KeptMeasurements misspelt = Open({{"space", 2}});
    EXPECT_EQ(misspelt.count(), 0u);
    EXPECT_EQ(misspelt.set_aside(), path_ + ".old");
    Add(std::move(misspelt), "012", 0.3);
  }
  EXPECT_EQ(Open({{"space", 3}}).set_aside(), path_ + ".old2");
  for (const auto& [space, latency_ms] : {std::pair(1, 0.1), std::pair(2, 0.3), std::pair(1, 0.1)}) {
    const KeptMeasurements again = Open({{"space", space}});
    ASSERT_NE(again.Find("012"), nullptr) << space;
    EXPECT_EQ(again.Find("012")->at("latency_ms"), latency_ms);
  }
}

TEST_F(KeptMeasurementsTest, ThoseOfEachMachineAreTakenUpAgain) {
  const auto add = [](KeptMeasurements& kept, const std::string& architecture, double machine) {
    EXPECT_TRUE(kept.Add(architecture, {{"latency_ms", machine / 10}, {"machine", machine}}).ok());
  };
  KeptMeasurements kept = Open({{"space", 1}});
  add(kept, "012", 1);
  ASSERT_TRUE(kept.TakeUp("machine", 2).ok());
  EXPECT_EQ(kept.count(), 0u);
  EXPECT_EQ(kept.set_aside(), path_ + ".old");
  add(kept, "000", 2);
  ASSERT_TRUE(kept.TakeUp("machine", 1).ok());
  EXPECT_EQ(kept.count(), 1u);
  ASSERT_NE(kept.Find("012"), nullptr);
  add(kept, "111", 1);
  ASSERT_TRUE(kept.TakeUp("machine", 2).ok());
  EXPECT_EQ(kept.count(), 1u);
  EXPECT_NE(kept.Find("000"), nullptr);
  ASSERT_TRUE(kept.TakeUp("machine", 1).ok());
  EXPECT_EQ(kept.count(), 2u);
}

TEST_F(KeptMeasurementsTest, LinesWithoutSenseAreLeftOut) {
  Add(Open({{"space", 1}}), "012", 0.1);
  Write("[1]\n{\"architecture\": 3, \"metrics\": {}}\n{\"architecture\": \"3\", \"metrics\": 4}\n");
  Write("{\"architecture\": \"3\", \"metrics\": {\"latency_ms\": \"x\"}}\n{\"architecture\": \"4\", \"met");
  KeptMeasurements kept = Open({{"space", 1}});
  EXPECT_EQ(kept.count(), 1u);
  // Also after an incomplete line.
  Add(std::move(kept), "111", 0.3);
  EXPECT_EQ(Open({{"space", 1}}).count(), 2u);
}

TEST_F(KeptMeasurementsTest, NobodyElseUsesTheFile) {
  for (const int space : {1, 2}) {
    KeptMeasurements kept = Open({{"space", 1}});
    const auto other = KeptMeasurements::Open(path_, {{"space", space}});
    EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(std::string(other.status().message()).starts_with(path_ + " is in use: ")) << other.status();
    Add(std::move(kept), "012", 0.1);
  }
  // Also after the file was set aside and taken up again.
  KeptMeasurements kept = Open({{"space", 1}});
  ASSERT_TRUE(kept.TakeUp("machine", 2).ok());
  EXPECT_FALSE(KeptMeasurements::Open(path_, {{"space", 1}}).ok());
  kept.Remove();
  EXPECT_TRUE(KeptMeasurements::Open(path_, {{"space", 1}}).ok());
}

TEST_F(KeptMeasurementsTest, AreGoneOnceRemoved) {
  KeptMeasurements kept = Open({{"space", 1}});
  EXPECT_TRUE(kept.Add("012", {{"latency_ms", 0.1}}).ok());
  kept.Remove();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(KeptMeasurementsTest, APlaceThatCannotBeWrittenIsNamed) {
  const auto kept = KeptMeasurements::Open("/nonexistent/table.partial", {{"space", 1}});
  EXPECT_EQ(kept.status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(kept.status().message(), "cannot write /nonexistent/table.partial: No such file or directory");
}

TEST_F(KeptMeasurementsTest, WhatFindsNoRoomIsNotSaidToBeKept) {
  KeptMeasurements kept = Open({{"space", 1}});
  ASSERT_TRUE(kept.Add("012", {{"latency_ms", 0.1}}).ok());
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit full = {std::filesystem::file_size(path_), before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const absl::Status refused = kept.Add("000", {{"latency_ms", 0.2}});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(refused.message(), "cannot write " + path_ + ": File too large");
  EXPECT_EQ(kept.count(), 1u);
}

}  // namespace
}  // namespace layernas::client
