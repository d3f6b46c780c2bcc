#include "client/lookup/kept_measurements.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace layernas::client {
namespace {

using nlohmann::json;

class KeptMeasurementsTest : public ::testing::Test {
 protected:
  KeptMeasurementsTest() { std::filesystem::remove(path_); }
  ~KeptMeasurementsTest() override { std::filesystem::remove(path_); }

  KeptMeasurements Open(const json& asked) {
    auto kept = KeptMeasurements::Open(path_, asked);
    EXPECT_TRUE(kept.ok()) << kept.status();
    return *std::move(kept);
  }
  void Write(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }

  const std::string path_ = ::testing::TempDir() + "layernas_kept_measurements.partial";
};

TEST_F(KeptMeasurementsTest, AreThereAgainForTheSameQuestionAlone) {
  Open({{"space", 1}}).Add("012", {{"latency_ms", 0.1}});
  {
    KeptMeasurements again = Open({{"space", 1}});
    ASSERT_NE(again.Find("012"), nullptr);
    EXPECT_EQ(*again.Find("012"), (Metrics{{"latency_ms", 0.1}}));
    EXPECT_EQ(again.Find("000"), nullptr);
    again.Add("000", {{"latency_ms", 0.2}});
  }
  EXPECT_EQ(Open({{"space", 1}}).count(), 2u);
  EXPECT_EQ(Open({{"space", 2}}).count(), 0u);
  EXPECT_EQ(Open({{"space", 1}}).count(), 0u) << "what answers another question was thrown away";
}

TEST_F(KeptMeasurementsTest, LinesWithoutSenseAreLeftOut) {
  Open({{"space", 1}}).Add("012", {{"latency_ms", 0.1}});
  Write("[1]\n{\"architecture\": 3, \"metrics\": {}}\n{\"architecture\": \"3\", \"metrics\": 4}\n");
  Write("{\"architecture\": \"3\", \"metrics\": {\"latency_ms\": \"x\"}}\n{\"architecture\": \"4\", \"met");
  KeptMeasurements kept = Open({{"space", 1}});
  EXPECT_EQ(kept.count(), 1u);
  // Also after a line that was cut off.
  kept.Add("111", {{"latency_ms", 0.3}});
  EXPECT_EQ(Open({{"space", 1}}).count(), 2u);
}

TEST_F(KeptMeasurementsTest, AreGoneOnceRemoved) {
  KeptMeasurements kept = Open({{"space", 1}});
  kept.Add("012", {{"latency_ms", 0.1}});
  kept.Remove();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(KeptMeasurementsTest, APlaceThatCannotBeWrittenIsNamed) {
  const auto kept = KeptMeasurements::Open("/nonexistent/table.partial", {{"space", 1}});
  EXPECT_EQ(kept.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(kept.status().message(), "/nonexistent/table.partial: can't be written");
}

}  // namespace
}  // namespace layernas::client
