#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <limits>
#include <set>

#include "benchmarks/search/problem.h"

namespace layernas::bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

// Two layers, with the options 0 and 2, and a, b and c. The cost is 10 + {0, 5} + {0, 1, 2}.
constexpr char kTable[] =
    "arch,run0,run1,mean,cost\n"
    "0a,1,3,2,10\n"
    "0b,2,4,3,11\n"
    "0c,3,5,4,12\n"
    "2a,4,6,3.5,15\n"
    "2b,5,7,6,16\n"
    "2c,6,8,7,17\n";

class TableTest : public ::testing::Test {
 protected:
  ~TableTest() override { std::remove(options_.file.c_str()); }

  absl::StatusOr<std::unique_ptr<Problem>> Load(const std::string& csv) {
    std::ofstream(options_.file, std::ios::binary) << csv;
    return LoadTable(options_);
  }
  std::string Error(const std::string& csv) { return std::string(Load(csv).status().message()); }
  // Returns "FILE:line: ".
  std::string Line(int line) const { return options_.file + ":" + std::to_string(line) + ": "; }

  TableOptions options_ = {::testing::TempDir() + "layernas_bench_table_" + std::to_string(getpid()) + ".csv",
                           "arch",
                           {"run0", "run1"},
                           "mean",
                           "cost"};
};

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST_F(TableTest, OptionsAreTheCharactersInALayersPlace) {
  const auto problem = Load(kTable);
  ASSERT_TRUE(problem.ok()) << problem.status();
  const core::Space& space = (*problem)->space();
  ASSERT_EQ(space.layers.size(), 2u);
  EXPECT_THAT(space.layers[0].option_names, ElementsAre("0", "2"));
  EXPECT_THAT(space.layers[1].option_names, ElementsAre("a", "b", "c"));
  EXPECT_EQ((*problem)->Judged({1, 1}), 6);
  EXPECT_EQ((*problem)->Cost({0, 2}), 12);
  EXPECT_EQ((*problem)->ExpectedReward({0, 2}), 4);
}

TEST_F(TableTest, ARewardIsOneOfTheColumnsFixedByTheSeed) {
  const auto problem = Load(kTable);
  ASSERT_TRUE(problem.ok()) << problem.status();
  std::set<double> drawn;
  for (int seed = 0; seed < 100; ++seed) {
    const double reward = (*problem)->Reward({1, 2}, seed);
    EXPECT_EQ(reward, (*problem)->Reward({1, 2}, seed));
    drawn.insert(reward);
  }
  EXPECT_THAT(drawn, ElementsAre(6, 8));
}

TEST_F(TableTest, KnowsTheBestWithinATargetAndTheFrontier) {
  const auto problem = Load(kTable);
  ASSERT_TRUE(problem.ok()) << problem.status();
  EXPECT_EQ((*problem)->BestJudged(11.5), 3);
  EXPECT_EQ((*problem)->BestJudged(15), 4);
  EXPECT_EQ((*problem)->BestJudged(9), -std::numeric_limits<double>::infinity());
  EXPECT_EQ((*problem)->BestExpectedReward(15), 5);
  EXPECT_THAT((*problem)->TrueFrontier(), ElementsAre(Pair(10, 2), Pair(11, 3), Pair(12, 4), Pair(16, 6), Pair(17, 7)));
}

TEST_F(TableTest, ACostThatIsASumOverLayersIsKnownPerLayer) {
  const auto problem = Load(kTable);
  ASSERT_TRUE(problem.ok()) << problem.status();
  ASSERT_TRUE((*problem)->space().CostIsPerLayer());
  EXPECT_EQ((*problem)->space().Cost({1, 2}), 17);
  const auto measured = Load(Replaced(kTable, ",17\n", ",17.01\n"));
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_FALSE((*measured)->space().CostIsPerLayer());
  EXPECT_EQ((*measured)->Cost({1, 2}), 17.01);
}

TEST_F(TableTest, TakesLinesThatEndAsInDos) {
  std::string csv = kTable;
  for (std::size_t at = 0; (at = csv.find('\n', at)) != std::string::npos; at += 2) csv.replace(at, 1, "\r\n");
  const auto problem = Load(csv);
  ASSERT_TRUE(problem.ok()) << problem.status();
  EXPECT_EQ((*problem)->Cost({1, 2}), 17);
}

TEST_F(TableTest, OptionsPerLayerMustBeThoseOfTheTable) {
  options_.options_per_layer = {2, 3};
  EXPECT_TRUE(Load(kTable).ok());
  options_.options_per_layer = {2, 4};
  EXPECT_THAT(Error(kTable), AllOf(StartsWith(options_.file), HasSubstr("layer2 has 3 options (a b c), not the 4 of")));
  options_.options_per_layer = {2, 3, 3};
  EXPECT_THAT(Error(kTable), HasSubstr("column arch has 2 layers, not the 3 of --options-per-layer"));
}

TEST_F(TableTest, NamesAMissingFileOrColumn) {
  EXPECT_THAT(std::string(LoadTable(options_).status().message()), StartsWith(options_.file + ": cannot be read"));
  EXPECT_THAT(Error(""), StartsWith(options_.file + ": cannot be read or is empty"));
  EXPECT_EQ(Error("arch,run0,run1,mean,cost\n"), options_.file + ": has no rows");
  options_.cost_column = "latency";
  EXPECT_EQ(Error(kTable), Line(1) + "has no column \"latency\"; the columns are arch,run0,run1,mean,cost");
  options_.cost_column = "cost";
  options_.reward_columns = {};
  EXPECT_THAT(Error(kTable), HasSubstr("at least one reward column"));
}

TEST_F(TableTest, NamesTheLineOfACellThatIsNoNumber) {
  EXPECT_EQ(Error(Replaced(kTable, "5,7,6,16", "5,7,six,16")), Line(6) + "column mean: \"six\" is not a number");
  EXPECT_EQ(Error(Replaced(kTable, "5,7,6,16", "5,7,6,nan")), Line(6) + "column cost: \"nan\" is not a number");
  EXPECT_EQ(Error(Replaced(kTable, "5,7,6,16", "5,7x,6,16")), Line(6) + "column run1: \"7x\" is not a number");
  EXPECT_EQ(Error(Replaced(kTable, "5,7,6,16", ",7,6,16")), Line(6) + "column run0: \"\" is not a number");
}

TEST_F(TableTest, NamesTheLineOfARowThatIsTooShort) {
  EXPECT_EQ(Error(Replaced(kTable, "5,7,6,16", "5,7,6")), Line(6) + "has 4 cells, not 5");
}

TEST_F(TableTest, NamesTheLineOfAnArchitectureOfOtherLength) {
  EXPECT_EQ(Error(Replaced(kTable, "2b", "2bb")), Line(6) + "architecture \"2bb\" has 3 layers, not 2");
  EXPECT_EQ(Error(Replaced(kTable, "2b", "")), Line(6) + "architecture \"\" has 0 layers, not 2");
}

TEST_F(TableTest, NamesBothLinesOfAnArchitectureThatIsThereTwice) {
  EXPECT_EQ(Error(std::string(kTable) + "0b,1,1,1,1\n"), Line(8) + "architecture 0b is already in line 3");
}

TEST_F(TableTest, NamesTheFirstArchitectureThatIsMissing) {
  EXPECT_EQ(Error(Replaced(kTable, "2a,4,6,3.5,15\n", "")),
            options_.file + ": holds 5 architectures, not all 6 of the space: the first one missing is 2a");
}

}  // namespace
}  // namespace layernas::bench
