#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/output/json.h"
#include "client/output/table.h"
#include "client/output/units.h"
#include "client/search_text.h"
#include "client/watch/progress_text.h"
#include "layernas/v1/search.pb.h"

namespace layernas::client {
namespace {

using ::testing::ElementsAre;

TEST(Units, ValuesHaveFiveDigitsAtMost) {
  const std::vector<std::pair<double, std::string>> cases = {
      {0, "0"},         {0.874261, "0.87426"}, {-1.5, "-1.5"},  {93.13, "93.13"},    {1024, "1024"},
      {99999, "99999"}, {100000, "100k"},      {999960, "1M"},  {7713280, "7.713M"}, {39.94e6, "39.94M"},
      {2.5e9, "2.5G"},  {1e12, "1T"},          {1e15, "1e+15"}, {1e-7, "1e-07"}};
  for (const auto& [value, text] : cases) EXPECT_EQ(FormatValue(value), text);
}

TEST(Units, CountsHaveSeparators) {
  const std::vector<std::pair<double, std::string>> cases = {
      {0, "0"}, {999, "999"}, {1000, "1,000"}, {6561, "6,561"}, {-1234567, "-1,234,567"}, {1e22, "1.00e+22"}};
  for (const auto& [count, text] : cases) EXPECT_EQ(FormatCount(count), text);
}

TEST(Units, ExactNumbersReadBackTheSame) {
  for (const double value : {0.1, 1.0 / 3, 7713280.0, 1e300, -2.5e-10}) {
    EXPECT_EQ(std::stod(FormatExact(value)), value);
  }
}

TEST(Units, ElapsedTimesHaveTwoUnitsAtMost) {
  const std::vector<std::pair<int, std::string>> cases = {{-3, "0s"},       {0, "0s"},        {59, "59s"},
                                                          {133, "2m13s"},   {3600, "1h00m"},  {18420, "5h07m"},
                                                          {86400, "1d00h"}, {273600, "3d04h"}};
  for (const auto& [seconds, text] : cases) EXPECT_EQ(FormatElapsed(std::chrono::seconds(seconds)), text);
}

TEST(Table, AlignsColumnsAndKeepsControlCharactersOut) {
  Table table({"name", "cost"});
  table.AddRow({Cell::Text("näme"), Cell::Value(1.5)});
  table.AddRow({Cell::Text("x\x1b[31m"), Cell::Value(1000)});
  table.AddRow({Cell::Text(""), Cell::Empty()});
  std::ostringstream out;
  table.Print(out, /*color=*/false);
  EXPECT_EQ(out.str(),
            "name    cost\n"
            "näme     1.5\n"
            "x?[31m  1000\n"
            "-          -\n");
}

TEST(Table, ColoursOnlyWhereAllowed) {
  Table table({"state"});
  table.AddRow({Cell::Text("failed", Style::kBad)});
  std::ostringstream plain;
  table.Print(plain, /*color=*/false);
  EXPECT_EQ(plain.str(), "state\nfailed\n");
  std::ostringstream colored;
  table.Print(colored, /*color=*/true);
  EXPECT_EQ(colored.str(), "\x1b[2mstate\x1b[0m\n\x1b[31mfailed\x1b[0m\n");
}

TEST(Table, CsvIsExactAndQuoted) {
  Table table({"name", "a,b"});
  table.AddRow({Cell::Text("say \"hi\"\nthere"), Cell::Value(7713280.5)});
  table.AddRow({Cell::Empty(), Cell::Count(6561)});
  std::ostringstream out;
  table.PrintCsv(out);
  EXPECT_EQ(out.str(),
            "name,\"a,b\"\n"
            "\"say \"\"hi\"\"\nthere\",7713280.5\n"
            ",6561\n");
}

TEST(Json, ListsAreWholeWhateverTheirLength) {
  std::ostringstream empty;
  { const JsonList list(empty, "items"); }
  EXPECT_EQ(empty.str(), "{\"items\": []}\n");

  v1::AttemptFailure failure;
  failure.set_attempt(2);
  std::ostringstream out;
  {
    JsonList list(out, "items");
    list.Add(failure);
    list.Add(failure);
  }
  const std::string item = R"({"attempt":2,"kind":"FAILURE_KIND_UNSPECIFIED","worker":"","message":""})";
  EXPECT_EQ(out.str(), "{\"items\": [\n" + item + ",\n" + item + "\n]}\n");
}

TEST(SearchText, NamesMayBeShort) {
  EXPECT_EQ(SearchName("shapes10-1").value(), "searches/shapes10-1");
  EXPECT_EQ(SearchName("searches/shapes10-1").value(), "searches/shapes10-1");
  for (const char* bad : {"", "searches/", "a/b", "searches/a/candidates/1", "A", "a b"}) {
    EXPECT_FALSE(SearchName(bad).ok()) << bad;
  }
  EXPECT_EQ(ShortName("searches/x-1/candidates/7"), "7");
}

v1::Search RunningSearch() {
  v1::Search search;
  search.set_name("searches/shapes10-1");
  search.set_state(v1::SEARCH_STATE_RUNNING);
  search.mutable_spec()->mutable_objective()->set_reward("accuracy");
  search.mutable_spec()->mutable_objective()->set_cost("latency_ms");
  v1::SearchProgress& progress = *search.mutable_progress();
  progress.set_pass(1);
  progress.set_stage(3);
  progress.set_stage_count(8);
  progress.set_layer("block3");
  progress.set_trainings(42);
  progress.set_trainings_budget(80);
  progress.set_queued(1);
  progress.set_leased(2);
  progress.set_succeeded(39);
  progress.set_failed(1);
  v1::TargetBest& met = *search.add_best();
  met.set_target(0.8);
  met.mutable_best()->set_reward(0.874);
  met.mutable_best()->set_cost(0.79);
  v1::TargetBest& unmet = *search.add_best();
  unmet.set_target(0.2);
  unmet.mutable_nearest()->set_cost(0.5);
  return search;
}

TEST(ProgressLines, SayHowTheSearchStands) {
  v1::Search search = RunningSearch();
  search.set_waiting_for("a worker with device=gpu");
  EXPECT_THAT(
      ProgressLines(search, std::chrono::seconds(80), 100),
      ElementsAre("shapes10-1  running  stage 3/8 block3  1m20s",
                  "[##############--------------] 42/80 trainings, at most 1m20s left",
                  "2 running, 1 queued, 39 succeeded, 0 infeasible, 1 failed",
                  "target 0.8: accuracy 0.874 at latency_ms 0.79",
                  "nothing meets the target 0.2; the nearest costs 0.5", "waiting for a worker with device=gpu"));
}

TEST(ProgressLines, FitTheTerminal) {
  for (const std::string& line : ProgressLines(RunningSearch(), std::chrono::seconds(80), 24)) {
    EXPECT_LE(Width(line), 24) << line;
  }
}

TEST(ProgressBar, IsFullAtTheEndAndNeverFuller) {
  EXPECT_EQ(ProgressBar(0, 10, 7), "[-----]");
  EXPECT_EQ(ProgressBar(4, 10, 7), "[##---]");
  EXPECT_EQ(ProgressBar(10, 10, 7), "[#####]");
  EXPECT_EQ(ProgressBar(11, 10, 7), "[#####]");
}

}  // namespace
}  // namespace layernas::client
