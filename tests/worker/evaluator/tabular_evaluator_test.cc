#include "worker/evaluator/tabular_evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <thread>
#include <tuple>

namespace layernas {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class TabularEvaluatorTest : public ::testing::Test {
 protected:
  ~TabularEvaluatorTest() override { std::remove(path_.c_str()); }

  absl::StatusOr<std::shared_ptr<const ResultTable>> Load(const std::string& csv,
                                                          std::vector<TableOptions::Metric> metrics) {
    std::ofstream(path_, std::ios::binary) << csv;
    return ResultTable::Load({path_, "arch", std::move(metrics)});
  }

  std::string LoadError(const std::string& csv, std::vector<TableOptions::Metric> metrics) {
    return std::string(Load(csv, std::move(metrics)).status().message());
  }

  const std::string path_ = ::testing::TempDir() + "layernas_table_" + std::to_string(getpid()) + ".csv";
};

Evaluation Of(const std::string& architecture_id, std::uint32_t seed = 1, Millis timeout = Millis(60'000)) {
  return {"task", architecture_id, seed, timeout, ""};
}

void NoProgress(const Progress&) {}

TEST_F(TabularEvaluatorTest, AnswersFromTheTable) {
  const auto table = Load(
      "\xef\xbb\xbf"
      "arch,note,acc,\"latency, ms\"\r\n01,\"a \"\"b\"\"\nc\",0.5,2\r\n\r\n10,,0.75,1e1\r\n",
      {{"accuracy", {"acc"}}, {"latency_ms", {"latency, ms"}}});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ((*table)->size(), 2u);
  TabularEvaluator evaluator(*table, Millis(0));
  EXPECT_THAT(std::get<EvaluationResult>(evaluator.Evaluate(Of("10"), {}, NoProgress)).metrics,
              ElementsAre(Pair("accuracy", 0.75), Pair("latency_ms", 10)));
  const auto missing = evaluator.Evaluate(Of("11"), {}, NoProgress);
  EXPECT_EQ(std::get<EvaluationFailure>(missing).kind, EvaluationFailure::Kind::kInfeasible);
  EXPECT_THAT(std::get<EvaluationFailure>(missing).message, HasSubstr("\"11\""));
}

// Otherwise every architecture would be infeasible.
TEST_F(TabularEvaluatorTest, ATableWithoutRowsIsRefused) {
  EXPECT_EQ(LoadError("arch,acc\n", {{"accuracy", {"acc"}}}), path_ + " has no rows below its header");
}

TEST_F(TabularEvaluatorTest, AColumnThatIsThereTwiceIsRefused) {
  EXPECT_EQ(LoadError("arch,acc,acc\n0,1,2\n", {{"accuracy", {"acc"}}}), path_ + " has two columns \"acc\"");
  EXPECT_EQ(LoadError("arch,acc,arch\n0,1,2\n", {{"accuracy", {"acc"}}}), path_ + " has two columns \"arch\"");
}

TEST_F(TabularEvaluatorTest, DrawsOneOfSeveralRunsFixedByTheSeed) {
  const auto table = Load("arch,a1,a2,a3,l1,l2,l3\n0,1,2,3,10,20,30\n",
                          {{"accuracy", {"a1", "a2", "a3"}}, {"latency", {"l1", "l2", "l3"}}});
  ASSERT_TRUE(table.ok()) << table.status();
  std::set<double> drawn;
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    const Metrics metrics = *(*table)->Find("0", seed);
    EXPECT_EQ(metrics, *(*table)->Find("0", seed));
    EXPECT_EQ(metrics.at("latency"), 10 * metrics.at("accuracy")) << "of one run";
    drawn.insert(metrics.at("accuracy"));
  }
  EXPECT_THAT(drawn, ElementsAre(1, 2, 3));
}

TEST_F(TabularEvaluatorTest, ReportsItsEpochs) {
  ASSERT_TRUE(Load("arch,acc,e1,e2\n0,0.5,0.25,0.375\n", {{"accuracy", {"acc"}}}).ok());
  const auto table = ResultTable::Load({path_, "arch", {{"accuracy", {"acc"}}}, {"e1", "e2"}});
  ASSERT_TRUE(table.ok()) << table.status();
  std::vector<std::tuple<int, int, double>> epochs;
  TabularEvaluator evaluator(*table, Millis(3));
  const auto outcome = evaluator.Evaluate(Of("0"), {}, [&](const Progress& progress) {
    epochs.emplace_back(progress.epoch, progress.epochs, *progress.reward);
  });
  EXPECT_THAT(std::get<EvaluationResult>(outcome).metrics, ElementsAre(Pair("accuracy", 0.5)));
  EXPECT_THAT(epochs, ElementsAre(std::tuple(1, 2, 0.25), std::tuple(2, 2, 0.375)));
  EXPECT_TRUE(std::holds_alternative<EvaluationFailure>(evaluator.Evaluate(Of("1"), {}, NoProgress)));
  // Stopped after the first epoch.
  std::stop_source stop;
  int heard = 0;
  TabularEvaluator slow(*table, Millis(2'000));
  EXPECT_TRUE(
      std::holds_alternative<EvaluationCancelled>(slow.Evaluate(Of("0"), stop.get_token(), [&](const Progress&) {
        ++heard;
        stop.request_stop();
      })));
  EXPECT_EQ(heard, 1);
}

// Programs such as pandas read the id 010202 as a number and write it as 10202.
TEST_F(TabularEvaluatorTest, ALostLeadingZeroIsNamed) {
  const auto message = [&](const std::string& csv, const std::string& id) {
    TabularEvaluator evaluator(*Load(csv, {{"accuracy", {"acc"}}}), Millis(0));
    const EvaluationOutcome outcome = evaluator.Evaluate(Of(id), {}, NoProgress);
    EXPECT_EQ(std::get<EvaluationFailure>(outcome).kind, EvaluationFailure::Kind::kInfeasible);
    return std::get<EvaluationFailure>(outcome).message;
  };
  EXPECT_EQ(
      message("arch,acc\n10202,1\n", "010202"),
      "architecture \"010202\" is not in the table; did the table lose a leading zero? \"10202\" is in the table");
  EXPECT_EQ(message("arch,acc\n010202,1\n", "10202"),
            "architecture \"10202\" is not in the table; did the id lose a leading zero? \"010202\" is in the table");
  EXPECT_EQ(message("arch,acc\n0,1\n", "000"),
            "architecture \"000\" is not in the table; did the table lose a leading zero? \"0\" is in the table");
  EXPECT_EQ(message("arch,acc\n012,1\n", "021"), "architecture \"021\" is not in the table");
}

TEST_F(TabularEvaluatorTest, ErrorsNameFileAndLine) {
  const std::vector<TableOptions::Metric> metrics = {{"accuracy", {"acc"}}};
  EXPECT_THAT(LoadError("arch,acc\n0,0.5\n1,high\n", metrics),
              AllOf(HasSubstr(path_ + ":3: "), HasSubstr("column \"acc\""), HasSubstr("\"high\"")));
  EXPECT_THAT(LoadError("arch,acc\n0,nan\n", metrics), HasSubstr(path_ + ":2: "));
  EXPECT_THAT(LoadError("arch,acc\n0,\n", metrics), HasSubstr("not a finite number"));
  EXPECT_THAT(LoadError("arch,acc\n0,1\n1,1\n0,2\n", metrics),
              AllOf(HasSubstr(path_ + ":4: "), HasSubstr("already in line 2")));
  EXPECT_THAT(LoadError("arch,acc\n\"0\n\",1\n1,1,1\n", metrics),
              AllOf(HasSubstr(path_ + ":4: "), HasSubstr("3 cells, the header has 2")));
  EXPECT_THAT(LoadError("arch,acc\n0,\"1\n", metrics), HasSubstr(path_ + ":2: a quote is not closed"));
  EXPECT_THAT(LoadError("arch,acc\n0,\"1\"x\n", metrics),
              HasSubstr(path_ + ":2: unexpected text after a closing quote"));
  EXPECT_THAT(LoadError("", metrics), HasSubstr("the file is empty"));
}

TEST_F(TabularEvaluatorTest, ANumberMayBeWrittenInAnyWay) {
  const auto table = Load("arch,acc\n0,+0.5\n1, 0.25\t\n2,1e-400\n3,-1E2\n4,.5\n", {{"accuracy", {"acc"}}});
  ASSERT_TRUE(table.ok()) << table.status();
  for (const auto& [id, value] : {std::pair("0", 0.5), {"1", 0.25}, {"2", 0.0}, {"3", -100.0}, {"4", 0.5}}) {
    EXPECT_EQ((*table)->Find(id, 1)->at("accuracy"), value) << id;
  }
  const auto error = [&](const std::string& cell) {
    return LoadError("arch,acc\n0,1\n1," + cell + "\n", {{"accuracy", {"acc"}}});
  };
  const std::string at = path_ + ":3: column \"acc\": ";
  for (const std::string cell : {"+-1", "1 2", "0x10", "inf", "-Infinity", "nan", "1,5", " "}) {
    EXPECT_EQ(error("\"" + cell + "\""), at + "\"" + cell + "\" is not a finite number");
  }
  EXPECT_EQ(error("-1e400"), at + "\"-1e400\" is beyond the range of a number");
}

// No candidate has this id.
TEST_F(TabularEvaluatorTest, AnEmptyArchitectureIdIsRefused) {
  for (const char* row : {",1\n", "\"\",1\n"}) {
    EXPECT_EQ(LoadError(std::string("arch,acc\n0,1\n") + row, {{"accuracy", {"acc"}}}),
              path_ + ":3: column \"arch\" is empty");
  }
}

// For example a device that never ends.
TEST_F(TabularEvaluatorTest, ATableHasAMaximumSize) {
  TableOptions options{"/dev/zero", "arch", {{"accuracy", {"acc"}}}};
  EXPECT_EQ(options.max_mib, 1024u);
  options.max_mib = 1;
  EXPECT_EQ(ResultTable::Load(options).status().message(), "/dev/zero is larger than 1 MiB");
  options.path = path_;
  std::string csv = "arch,acc\n0,1\n";
  csv.resize(1 << 20, '\n');
  std::ofstream(path_) << csv;
  EXPECT_TRUE(ResultTable::Load(options).ok());
  std::ofstream(path_) << csv << '\n';
  EXPECT_EQ(ResultTable::Load(options).status().message(), path_ + " is larger than 1 MiB");
}

TEST_F(TabularEvaluatorTest, AMissingColumnListsThoseThatThereAre) {
  EXPECT_THAT(LoadError("arch,acc,ms\n", {{"accuracy", {"accuracy"}}}),
              AllOf(HasSubstr("no column \"accuracy\""), HasSubstr("\"arch\" \"acc\" \"ms\"")));
  EXPECT_THAT(LoadError("id,acc\n", {{"accuracy", {"acc"}}}), HasSubstr("no column \"arch\""));
}

TEST_F(TabularEvaluatorTest, AMissingFileIsNamed) {
  const auto missing = ResultTable::Load({"/no/such/table.csv", "arch", {}});
  EXPECT_THAT(std::string(missing.status().message()),
              AllOf(HasSubstr("/no/such/table.csv"), HasSubstr("No such file")));
  EXPECT_FALSE(ResultTable::Load({::testing::TempDir(), "arch", {}}).ok());
}

TEST_F(TabularEvaluatorTest, TheDelayEndsWithAStopOrTheTimeOut) {
  const auto table = Load("arch,acc\n0,1\n", {{"accuracy", {"acc"}}});
  TabularEvaluator slow(*table, Millis(1'000'000));
  std::stop_source stop;
  EvaluationOutcome outcome;
  std::thread evaluating([&] { outcome = slow.Evaluate(Of("0", 1, Millis(900'000)), stop.get_token(), NoProgress); });
  stop.request_stop();
  evaluating.join();
  EXPECT_TRUE(std::holds_alternative<EvaluationCancelled>(outcome));

  outcome = slow.Evaluate(Of("0", 1, Millis(20)), {}, NoProgress);
  EXPECT_EQ(std::get<EvaluationFailure>(outcome).kind, EvaluationFailure::Kind::kEvaluator);
  EXPECT_THAT(std::get<EvaluationFailure>(outcome).message, HasSubstr("timeout of 20ms"));

  TabularEvaluator quick(*table, Millis(1));
  EXPECT_TRUE(std::holds_alternative<EvaluationResult>(quick.Evaluate(Of("0"), {}, NoProgress)));
}

}  // namespace
}  // namespace layernas
