// layernas-bench-search: measures how good a strategy's answer is for its number of trainings.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "benchmarks/peers/peer.h"
#include "benchmarks/search/peer_run.h"
#include "benchmarks/search/runner.h"

namespace {

using layernas::bench::Problem;

// Maximum share of the trainings for finalists: the default of a spec.
constexpr int kRepeatPercent = 8;

class Mean {
 public:
  void Add(double value) {
    ++count_;
    const double off = value - mean_;
    mean_ += off / count_;
    // Welford 1962.
    squares_ += off * (value - mean_);
  }
  double value() const { return mean_; }
  // Returns the standard error; 0 for fewer than two values.
  double error() const { return count_ < 2 ? 0 : std::sqrt(squares_ / (count_ - 1) / count_); }

 private:
  int count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

struct Totals {
  int runs = 0;
  Mean answered;
  Mean regret_judged;
  double worst_regret_judged = 0;
  Mean regret_reward;
  Mean hypervolume_ratio;
  Mean trained;
  Mean spared;
  Mean stopped;
  Mean epochs_saved;
  Mean strategy_seconds;

  // Adds the result for one of its targets.
  void Add(const layernas::bench::RunResult& result, std::size_t target) {
    ++runs;
    answered.Add(result.answered[target] ? 1 : 0);
    regret_judged.Add(result.regret_judged[target]);
    worst_regret_judged = std::max(worst_regret_judged, result.regret_judged[target]);
    regret_reward.Add(result.regret_reward[target]);
    hypervolume_ratio.Add(result.hypervolume_ratio);
    trained.Add(result.trained);
    spared.Add(result.spared);
    stopped.Add(result.stopped);
    epochs_saved.Add(result.epochs_saved);
    strategy_seconds.Add(result.strategy_seconds);
  }
};

int Fail(const auto& why) {
  std::cerr << "layernas-bench-search: " << why << "\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs strategies of the real core on a table of known results or on generated spaces.",
               "layernas-bench-search");
  layernas::bench::TableOptions table;
  layernas::bench::GeneratedOptions generated;
  std::string shape;
  std::string dump_file;
  std::vector<double> targets;
  std::vector<double> target_shares;
  std::vector<int> trainings = {50, 100};
  std::vector<std::string> strategies = {"random", "regularized_evolution", "layernas", "guided_layernas"};
  int seeds = 50;
  std::uint64_t first_seed = 1;
  int spaces = 1;
  int parallel = 1;
  int finalists = 1;
  layernas::core::EarlyStopOptions early_stop;
  bool joint = false;
  bool measure_first = false;
  bool json = false;
  app.add_option("--table", table.file, "CSV file with one row per architecture");
  app.add_option("--architecture-column", table.architecture_column)->default_val("arch");
  app.add_option("--reward-columns", table.reward_columns, "Reward columns; one is drawn per architecture and seed")
      ->delimiter(',');
  app.add_option("--judge-column", table.judge_column);
  app.add_option("--cost-column", table.cost_column);
  app.add_option("--options-per-layer", table.options_per_layer,
                 "Refuse a table with other numbers of options, as in 3,3,3")
      ->delimiter(',');
  app.add_option("--generated", shape, "Generate a space of layers x options, as in 22x9, instead of a table");
  app.add_option("--lut", generated.lut_file, "JSON file with latencies for a generated space");
  app.add_option("--device", generated.device, "Device in --lut")->default_val("pixel3");
  app.add_option("--space-seed", generated.space_seed, "Seed of the first generated space");
  app.add_option("--spaces", spaces, "Generated spaces, each with --seeds searches")->check(CLI::PositiveNumber);
  app.add_option("--dump-spaces", dump_file, "Write the generated spaces to this file as JSON, and run nothing");
  app.add_option("--targets", targets)->delimiter(',');
  app.add_option("--target-shares", target_shares, "Targets as shares of the cost range")->delimiter(',');
  app.add_option("--trainings", trainings)->check(CLI::PositiveNumber)->delimiter(',');
  app.add_option("--seeds", seeds)->check(CLI::PositiveNumber);
  app.add_option("--first-seed", first_seed);
  app.add_option("--strategies", strategies)->delimiter(',');
  app.add_option("--parallel", parallel, "Candidates in progress at once")->check(CLI::PositiveNumber);
  app.add_option("--finalists", finalists, "Trainings of a finalist; 1: no repeats")->check(CLI::PositiveNumber);
  app.add_flag("--measure-first", measure_first,
               "Measure candidates first; those that exceed every target are neither trained nor counted");
  app.add_option("--curve-columns", table.curve_columns, "Columns with the reward after each epoch, for --early-stop")
      ->delimiter(',');
  app.add_option("--early-stop", early_stop.compared,
                 "End trainings that are behind the median of this many others of similar cost; 0: never");
  app.add_option("--min-epochs", early_stop.min_epochs, "Minimum epochs of each training")->check(CLI::PositiveNumber);
  app.add_flag("--joint", joint, "Use all targets in one search");
  app.add_flag("--json", json, "Print one JSON object per line");
  CLI11_PARSE(app, argc, argv);

  if (table.file.empty() == shape.empty()) return Fail("one of --table and --generated is needed");
  if (early_stop.compared > 0 && table.curve_columns.empty()) return Fail("--early-stop needs --curve-columns");
  if (targets.empty() == target_shares.empty()) return Fail("one of --targets and --target-shares is needed");
  std::vector<std::unique_ptr<Problem>> problems;
  std::string name = std::filesystem::path(table.file).filename().string();
  if (shape.empty()) {
    auto problem = layernas::bench::LoadTable(table);
    if (!problem.ok()) return Fail(problem.status().message());
    problems.push_back(*std::move(problem));
  } else {
    if (std::sscanf(shape.c_str(), "%dx%d", &generated.layers, &generated.options) != 2 || generated.layers < 1 ||
        generated.options < 1) {
      return Fail("--generated: expected LAYERSxOPTIONS, not " + shape);
    }
    name = layernas::bench::NameOf(generated);
    std::string descriptions;
    for (int i = 0; i < spaces; ++i, ++generated.space_seed) {
      auto problem = layernas::bench::Generate(generated);
      if (!problem.ok()) return Fail(problem.status().message());
      problems.push_back(*std::move(problem));
      if (!dump_file.empty()) descriptions += (i > 0 ? ",\n" : "") + *layernas::bench::DescribeGenerated(generated);
    }
    if (!dump_file.empty()) {
      std::ofstream out(dump_file);
      out << "[" << descriptions << "]\n";
      return out.flush() ? 0 : Fail(dump_file + ": can't be written");
    }
  }

  std::sort(trainings.begin(), trainings.end());
  const std::vector<std::string> ours = layernas::bench::StrategyNames();
  const std::vector<std::string> peers = layernas::bench::PeerNames();
  for (const std::string& strategy : strategies) {
    const bool is_peer = std::find(peers.begin(), peers.end(), strategy) != peers.end();
    if (!is_peer && std::find(ours.begin(), ours.end(), strategy) == ours.end()) {
      return Fail("unknown strategy " + strategy + "; expected one of " + CLI::detail::join(ours, ", ") + ", " +
                  CLI::detail::join(peers, ", "));
    }
    if (is_peer && (joint || measure_first || early_stop.compared > 0 || parallel > 1)) {
      return Fail(strategy + " takes none of --joint, --measure-first, --early-stop and --parallel");
    }
    // By number of trainings, then by target.
    const std::size_t target_count = targets.empty() ? target_shares.size() : targets.size();
    std::vector<std::vector<Totals>> totals(trainings.size(), std::vector<Totals>(target_count));
    for (const auto& problem : problems) {
      std::vector<double> wanted = targets;
      for (const double share : target_shares) {
        const auto& space = problem->space();
        wanted.push_back(space.CheapestCost() + share * (space.DearestCost() - space.CheapestCost()));
      }
      for (int seed = 0; seed < seeds; ++seed) {
        for (std::size_t t = 0; t < (joint ? 1 : wanted.size()); ++t) {
          layernas::bench::RunOptions options;
          options.strategy = strategy;
          options.targets = joint ? wanted : std::vector{wanted[t]};
          options.seed = first_seed + seed;
          options.parallel = parallel;
          options.measure_first = measure_first;
          options.early_stop = early_stop;
          options.finalist_trainings = finalists;
          std::vector<layernas::bench::RunResult> results;
          if (is_peer) results = layernas::bench::RunPeer(*problem, strategy, wanted[t], options.seed, trainings);
          for (std::size_t i = 0; i < trainings.size(); ++i) {
            if (!is_peer) {
              options.trainings = trainings[i];
              options.finalist_repeats = std::max(kRepeatPercent * trainings[i] / 100, finalists - 1);
              auto result = layernas::bench::Run(*problem, options);
              if (!result.ok()) return Fail(result.status().message());
              results.push_back(*std::move(result));
            }
            for (std::size_t of = 0; of < options.targets.size(); ++of) totals[i][joint ? of : t].Add(results[i], of);
          }
        }
      }
    }
    for (std::size_t i = 0; i < trainings.size(); ++i) {
      const int budget = trainings[i];
      for (std::size_t t = 0; t < target_count; ++t) {
        const Totals& total = totals[i][t];
        const double target = targets.empty() ? target_shares[t] : targets[t];
        if (json) {
          nlohmann::json line = {{"problem", name},
                                 {"strategy", strategy},
                                 {"target", target},
                                 {"trainings", budget},
                                 {"seeds", total.runs},
                                 {"answered", total.answered.value()},
                                 {"mean_regret_judged", total.regret_judged.value()},
                                 {"error_regret_judged", total.regret_judged.error()},
                                 {"worst_regret_judged", total.worst_regret_judged},
                                 {"mean_regret_reward", total.regret_reward.value()},
                                 {"error_regret_reward", total.regret_reward.error()},
                                 {"hypervolume_ratio", total.hypervolume_ratio.value()},
                                 {"error_hypervolume_ratio", total.hypervolume_ratio.error()},
                                 {"mean_trained", total.trained.value()},
                                 {"strategy_seconds", total.strategy_seconds.value()}};
          if (measure_first) line["mean_spared"] = total.spared.value();
          if (early_stop.compared > 0) {
            line["mean_stopped"] = total.stopped.value();
            line["mean_epochs_saved"] = total.epochs_saved.value();
          }
          std::cout << line.dump() << std::endl;
        } else {
          std::printf(
              "%-22s target %-10g trainings %4d (%.0f)  regret %.4f (worst %.3f, in reward %.4f)  hv %.4f  %.4f s\n",
              strategy.c_str(), target, budget, total.trained.value(), total.regret_judged.value(),
              total.worst_regret_judged, total.regret_reward.value(), total.hypervolume_ratio.value(),
              total.strategy_seconds.value());
          std::fflush(stdout);
        }
      }
    }
  }
  return 0;
}
