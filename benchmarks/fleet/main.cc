// layernas-bench-fleet: measures how busy a strategy keeps a large fleet.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "benchmarks/fleet/fleet.h"
#include "benchmarks/search/runner.h"

namespace {

using layernas::bench::FleetResult;

constexpr char kBarrier[] = "layernas_barrier";
constexpr char kPipelined[] = "layernas";

struct SearchOptions {
  std::int64_t trainings = 2560;
  int buckets = 20;
  std::string scale = "linear";
  int replicas = 1;
  int passes = 1;
  int stage_limit = 0;
};

const std::map<std::string, layernas::core::BucketScale> kScales = {
    {"linear", layernas::core::BucketScale::kLinear},
    {"logarithmic", layernas::core::BucketScale::kLogarithmic},
    {"auto", layernas::core::BucketScale::kAuto}};

absl::StatusOr<layernas::core::SearchConfig> MakeConfig(const std::string& strategy,
                                                        const layernas::bench::Problem& problem,
                                                        const SearchOptions& options, std::uint64_t seed) {
  layernas::core::SearchConfig config;
  config.space = problem.space();
  config.reward_metric = "reward";
  config.cost_metric = "cost";
  config.seed = seed;
  auto made = layernas::bench::MakeStrategy(strategy == kBarrier ? kPipelined : strategy, config.space);
  if (!made.ok()) return made.status();
  config.strategy = *std::move(made);
  if (auto* layernas = std::get_if<layernas::core::LayerNasOptions>(&config.strategy)) {
    layernas->buckets.count = options.buckets;
    layernas->buckets.scale = kScales.at(options.scale);
    layernas->replicas = options.replicas;
    layernas->passes = options.passes;
    layernas->stage_limit = options.stage_limit;
    layernas->pipelined = strategy != kBarrier;
  } else {
    config.trainings = options.trainings;
  }
  return config;
}

// Returns the median, the minimum and the maximum.
nlohmann::json Spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {{"median", median}, {"lowest", values.front()}, {"highest", values.back()}};
}

template <typename Value>
nlohmann::json SpreadOf(const std::vector<FleetResult>& runs, Value value) {
  std::vector<double> values;
  values.reserve(runs.size());
  for (const FleetResult& run : runs) values.push_back(static_cast<double>(value(run)));
  return Spread(std::move(values));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs searches of the real core on a fleet of workers in virtual time.", "layernas-bench-fleet");
  layernas::bench::FleetOptions fleet;
  layernas::bench::GeneratedOptions generated;
  SearchOptions search;
  std::vector<std::string> strategies = {kBarrier, kPipelined, "guided_layernas", "regularized_evolution", "random"};
  int seeds = 10;
  std::uint64_t first_seed = 1;
  bool json = false;
  app.add_option("--workers", fleet.workers, "Size of the fleet")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--training-seconds", fleet.training_seconds, "Median training time, in seconds")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--sigma", fleet.sigma, "Standard deviation of the logarithm of training times; 0: all equal")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--crash-share", fleet.crash_share, "Share of attempts that crash")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.9));
  app.add_option("--layers", generated.layers)->default_val(16)->check(CLI::PositiveNumber);
  app.add_option("--options", generated.options, "Options per layer")->default_val(6)->check(CLI::PositiveNumber);
  app.add_option("--trainings", search.trainings, "Budget of strategies that do not end by themselves")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--buckets", search.buckets, "Buckets of LayerNAS")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--scale", search.scale, "Scale of the buckets")->capture_default_str()->check(CLI::IsMember(kScales));
  app.add_option("--replicas", search.replicas)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--passes", search.passes)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--stage-limit", search.stage_limit, "Maximum trainings per stage; 0: no limit")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seeds", seeds, "Runs, each with its own space, rewards and times")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--first-seed", first_seed)->capture_default_str();
  app.add_option("--strategies", strategies)->delimiter(',')->capture_default_str();
  app.add_flag("--json", json, "Print one JSON object per line");
  CLI11_PARSE(app, argc, argv);

  std::map<std::string, std::vector<FleetResult>> results;
  for (int i = 0; i < seeds; ++i) {
    const std::uint64_t seed = first_seed + i;
    generated.space_seed = seed;
    const auto problem = layernas::bench::Generate(generated);
    if (!problem.ok()) {
      std::cerr << problem.status().message() << "\n";
      return 2;
    }
    for (const std::string& strategy : strategies) {
      const auto config = MakeConfig(strategy, **problem, search, seed);
      if (!config.ok()) {
        std::cerr << config.status().message() << "\n";
        return 2;
      }
      auto result = layernas::bench::RunFleet(**problem, *config, fleet);
      if (!result.ok()) {
        std::cerr << strategy << ", seed " << seed << ": " << result.status().message() << "\n";
        return 1;
      }
      results[strategy].push_back(*std::move(result));
    }
  }

  for (const std::string& strategy : strategies) {
    const std::vector<FleetResult>& runs = results[strategy];
    nlohmann::json line = {
        {"strategy", strategy},
        {"workers", fleet.workers},
        {"layers", generated.layers},
        {"options", generated.options},
        {"sigma", fleet.sigma},
        {"crash_share", fleet.crash_share},
        {"training_seconds", fleet.training_seconds},
        {"seeds", seeds},
        {"makespan_seconds", SpreadOf(runs, [](const FleetResult& run) { return run.makespan_seconds; })},
        {"utilisation", SpreadOf(runs, [](const FleetResult& run) { return run.utilisation; })},
        {"utilisation_handing_out", SpreadOf(runs, [](const FleetResult& run) { return run.utilisation_handing_out; })},
        {"handing_out_seconds", SpreadOf(runs, [](const FleetResult& run) { return run.handing_out_seconds; })},
        {"trainings", SpreadOf(runs, [](const FleetResult& run) { return run.trainings; })},
        {"crashes", SpreadOf(runs, [](const FleetResult& run) { return run.crashes; })},
        {"strategy_seconds", SpreadOf(runs, [](const FleetResult& run) { return run.strategy_seconds; })}};
    if (strategy.starts_with("layernas")) {
      line["buckets"] = search.buckets;
      line["scale"] = search.scale;
      line["replicas"] = search.replicas;
      line["passes"] = search.passes;
      line["stage_limit"] = search.stage_limit;
    } else {
      line["budget"] = search.trainings;
    }
    if (strategy == kPipelined && results.contains(kBarrier)) {
      const std::vector<FleetResult>& barrier = results.at(kBarrier);
      std::vector<double> gains;
      int equal = 0;
      for (int i = 0; i < seeds; ++i) {
        gains.push_back(runs[i].utilisation / barrier[i].utilisation);
        equal += runs[i].tables == barrier[i].tables;
      }
      line["utilisation_over_barrier"] = Spread(std::move(gains));
      line["seeds_with_barrier_tables"] = equal;
    }
    if (json) {
      std::cout << line.dump() << std::endl;
      continue;
    }
    std::printf("%-22s makespan %7.0f s  busy %5.1f %%, %5.1f %% while handing out  trainings %5.0f  crashes %3.0f",
                strategy.c_str(), line["makespan_seconds"]["median"].get<double>(),
                100 * line["utilisation"]["median"].get<double>(),
                100 * line["utilisation_handing_out"]["median"].get<double>(),
                line["trainings"]["median"].get<double>(), line["crashes"]["median"].get<double>());
    if (line.contains("utilisation_over_barrier")) {
      std::printf("  %.2f (%.2f to %.2f) times the barrier's use, same tables in %d of %d",
                  line["utilisation_over_barrier"]["median"].get<double>(),
                  line["utilisation_over_barrier"]["lowest"].get<double>(),
                  line["utilisation_over_barrier"]["highest"].get<double>(),
                  line["seeds_with_barrier_tables"].get<int>(), seeds);
    }
    std::printf("\n");
  }
  return 0;
}
