// LayerNAS on NAS-Bench-Macro: 6,561 architectures of 8 layers with 3 options each, every one trained on CIFAR-10.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <unordered_map>

#include "controller/core/frontier.h"
#include "controller/core/strategies/layernas_strategy.h"
#include "tests/controller/core/strategy_runs.h"

namespace layernas::core {
namespace {

using Table = std::unordered_map<Architecture, Outcome, ArchitectureHash>;

std::string TablePath() {
  const char* folder = std::getenv("LAYERNAS_TABLES");
  return std::string(folder != nullptr ? folder : LAYERNAS_TABLES) + "/nas_bench_macro_cifar10.csv";
}

// Returns mean accuracy in percent and millions of multiply-adds. Empty if the file does not exist.
Table Read(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  std::vector<std::string> header;
  std::istringstream names(line);
  for (std::string name; std::getline(names, name, ',');) header.push_back(name);
  const auto column = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
  };
  const std::size_t reward = column("test_acc_mean");
  const std::size_t cost = column("multiply_adds");
  Table table;
  while (std::getline(file, line)) {
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    Architecture architecture;
    for (const char digit : cells.at(0)) architecture.push_back(static_cast<OptionIndex>(digit - '0'));
    table.emplace(std::move(architecture), Outcome{std::stod(cells.at(reward)), std::stod(cells.at(cost)) / 1e6});
  }
  return table;
}

class NasBenchMacro : public ::testing::Test {
 protected:
  void SetUp() override {
    table_ = Read(TablePath());
    if (table_.empty()) GTEST_SKIP() << TablePath() << " is absent; set LAYERNAS_TABLES to the folder that has it";
    ASSERT_EQ(table_.size(), 6561u);
    space_.layers.assign(8, {"layer", 3, 2, {}});
    options_.buckets.count = 20;
    options_.order.resize(8);
    std::iota(options_.order.begin(), options_.order.end(), 0);
  }

  struct Result {
    std::size_t trainings = 0;
    std::vector<TableView> tables;
    Frontier frontier;
  };

  Result Search(std::uint64_t arrival_seed, std::size_t max_outstanding) const {
    LayerNasStrategy strategy(space_, {}, options_, 1);
    History history;
    RandomStream arrival({arrival_seed});
    RunToEnd(
        strategy, history, [&](const Architecture& architecture) { return table_.at(architecture); }, arrival,
        max_outstanding);
    Result result{history.past.size(), View(strategy.FinalTables()), {}};
    for (std::size_t i = 0; i < history.past.size(); ++i) {
      result.frontier.Insert(history.past[i].observation->outcome.cost,
                             {i + 1, history.past[i].observation->outcome.reward});
    }
    return result;
  }

  // Returns how many points of accuracy the result is below the best architecture within the
  // target.
  double Regret(const Frontier& frontier, double target) const {
    double best = 0;
    for (const auto& [architecture, outcome] : table_) {
      if (outcome.cost <= target) best = std::max(best, outcome.reward);
    }
    return best - frontier.BestWithin(target)->second.reward;
  }

  Table table_;
  Space space_;
  LayerNasOptions options_;
};

TEST_F(NasBenchMacro, SameBucketsInAnyOrderOfArrivalAndWithinTheBound) {
  for (const int replicas : {1, 2}) {
    options_.replicas = replicas;
    const Result alone = Search(1, 1);
    EXPECT_LE(alone.trainings, 1u + 20 * replicas * 8 * 3);
    RecordProperty("trainings_with_replicas_" + std::to_string(replicas), static_cast<int>(alone.trainings));
    for (std::uint64_t arrival = 2; arrival < 62; ++arrival) {
      const Result any = Search(arrival, 1 + arrival * 5 % 64);
      ASSERT_TRUE(any.tables == alone.tables) << "replicas " << replicas << ", order of arrival " << arrival;
      ASSERT_EQ(any.trainings, alone.trainings);
    }
  }
}

TEST_F(NasBenchMacro, ComesCloseToTheBestWithinEachTarget) {
  options_.passes = 3;
  const Result result = Search(1, 16);
  EXPECT_LT(result.trainings, 600u);
  for (const double target : {40., 60., 80., 100.}) {
    EXPECT_LT(Regret(result.frontier, target), 0.3) << "target " << target;
  }
}

}  // namespace
}  // namespace layernas::core
