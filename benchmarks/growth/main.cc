// layernas-bench-growth: measures how LayerNAS's trainings and the strategy's processor time grow
// with the search.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/status/statusor.h"
#include "benchmarks/search/cpu_time.h"
#include "benchmarks/search/runner.h"
#include "controller/core/strategies/layernas_strategy.h"

namespace {

using layernas::bench::Problem;

// The quantities that are varied.
struct Size {
  int layers;
  int options;
  int buckets;
};

struct Measured {
  double trainings = 0;
  double strategy_seconds = 0;
};

// Runs a whole search with `parallel` candidates in progress, whose results arrive in the order of
// proposal. Each result is the next of `outcomes`, which is extended if necessary.
Measured Search(const Problem& problem, const layernas::core::LayerNasOptions& options, std::size_t parallel,
                std::vector<layernas::core::Outcome>& outcomes) {
  const double begin = layernas::bench::CpuSeconds();
  layernas::core::LayerNasStrategy strategy(problem.space(), {}, options, 1);
  std::deque<layernas::core::Architecture> out;
  std::size_t trainings = 0;
  while (true) {
    while (out.size() < parallel) {
      auto proposal = strategy.Propose();
      if (!proposal) break;
      out.push_back(std::move(proposal->architecture));
    }
    if (out.empty()) break;
    if (trainings == outcomes.size()) outcomes.push_back({problem.Reward(out.front(), 1), problem.Cost(out.front())});
    strategy.Observe(out.front(), layernas::core::Observation::Result(outcomes[trainings]));
    ++trainings;
    out.pop_front();
  }
  return {static_cast<double>(trainings), layernas::bench::CpuSeconds() - begin};
}

// Fits y over x by least squares: how well a line fits, and the slope of the logarithms (1:
// linear).
nlohmann::json Fit(const std::vector<double>& x, const std::vector<double>& y) {
  struct Line {
    double slope;
    double r_squared;
  };
  const auto line = [](const std::vector<double>& a, const std::vector<double>& b) {
    const double n = static_cast<double>(a.size());
    double mean_a = 0;
    double mean_b = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      mean_a += a[i] / n;
      mean_b += b[i] / n;
    }
    double aa = 0;
    double ab = 0;
    double bb = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      aa += (a[i] - mean_a) * (a[i] - mean_a);
      ab += (a[i] - mean_a) * (b[i] - mean_b);
      bb += (b[i] - mean_b) * (b[i] - mean_b);
    }
    return Line{ab / aa, ab * ab / (aa * bb)};
  };
  std::vector<double> log_x;
  std::vector<double> log_y;
  for (std::size_t i = 0; i < x.size(); ++i) {
    log_x.push_back(std::log(x[i]));
    log_y.push_back(std::log(y[i]));
  }
  return {{"r_squared", line(x, y).r_squared}, {"exponent", line(log_x, log_y).slope}};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs LayerNAS on generated spaces and varies layers, options or buckets, one at a time.",
               "layernas-bench-growth");
  std::vector<int> layers = {5, 10, 20, 40, 80};
  std::vector<int> options = {2, 4, 8, 12, 16, 20};
  std::vector<int> buckets = {10, 25, 50, 100, 150, 200};
  Size fixed{20, 8, 100};
  int spaces = 10;
  int repeats = 10;
  int parallel = 256;
  bool barrier = false;
  bool json = false;
  app.add_option("--layers", layers)->delimiter(',')->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--options", options, "Options per layer")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--buckets", buckets)->delimiter(',')->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--fixed-layers", fixed.layers, "Layers while another quantity is varied")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--fixed-options", fixed.options)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--fixed-buckets", fixed.buckets)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--spaces", spaces, "Spaces per size; the means are shown")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--repeats", repeats, "Runs per space; the fastest counts, because other load only adds time")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--parallel", parallel, "Candidates in progress at once")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_flag("--barrier", barrier, "Let each stage wait for the previous one");
  app.add_flag("--json", json, "Print one JSON object per line");
  CLI11_PARSE(app, argc, argv);

  const auto measure = [&](const Size& size) -> absl::StatusOr<Measured> {
    Measured mean;
    for (int i = 0; i < spaces; ++i) {
      layernas::bench::GeneratedOptions generated;
      generated.layers = size.layers;
      generated.options = size.options;
      generated.space_seed = i + 1;
      const auto problem = layernas::bench::Generate(generated);
      if (!problem.ok()) return problem.status();
      const auto config = layernas::bench::MakeStrategy("layernas", (*problem)->space());
      if (!config.ok()) return config.status();
      auto strategy = std::get<layernas::core::LayerNasOptions>(*config);
      strategy.buckets.count = size.buckets;
      strategy.pipelined = !barrier;
      std::vector<layernas::core::Outcome> outcomes;
      Search(**problem, strategy, parallel, outcomes);
      Measured one = Search(**problem, strategy, parallel, outcomes);
      for (int repeat = 1; repeat < repeats; ++repeat) {
        one.strategy_seconds =
            std::min(one.strategy_seconds, Search(**problem, strategy, parallel, outcomes).strategy_seconds);
      }
      mean.trainings += one.trainings / spaces;
      mean.strategy_seconds += one.strategy_seconds / spaces;
    }
    return mean;
  };
  struct Varied {
    const char* name;
    int Size::*member;
    const std::vector<int>& values;
  };
  for (const Varied& varied : {Varied{"layers", &Size::layers, layers}, Varied{"options", &Size::options, options},
                               Varied{"buckets", &Size::buckets, buckets}}) {
    std::vector<double> values;
    std::vector<double> trainings;
    std::vector<double> seconds;
    for (const int value : varied.values) {
      Size size = fixed;
      size.*varied.member = value;
      const auto measured = measure(size);
      if (!measured.ok()) {
        std::cerr << measured.status().message() << "\n";
        return 2;
      }
      values.push_back(value);
      trainings.push_back(measured->trainings);
      seconds.push_back(measured->strategy_seconds);
      if (json) {
        const nlohmann::json line = {{"varied", varied.name},
                                     {"layers", size.layers},
                                     {"options", size.options},
                                     {"buckets", size.buckets},
                                     {"spaces", spaces},
                                     {"trainings", measured->trainings},
                                     {"strategy_seconds", measured->strategy_seconds}};
        std::cout << line.dump() << std::endl;
      } else {
        std::printf("%2d layers x %2d options, %3d buckets: %7.0f trainings, %.4f s in the strategy, %.2f us each\n",
                    size.layers, size.options, size.buckets, measured->trainings, measured->strategy_seconds,
                    1e6 * measured->strategy_seconds / measured->trainings);
      }
    }
    // A line fits any two points.
    if (values.size() < 3) continue;
    const nlohmann::json of_trainings = Fit(values, trainings);
    const nlohmann::json of_seconds = Fit(values, seconds);
    if (json) {
      const nlohmann::json line = {
          {"fit_over", varied.name}, {"trainings", of_trainings}, {"strategy_seconds", of_seconds}};
      std::cout << line.dump() << std::endl;
    } else {
      std::printf("over %s: trainings R^2 %.4f, exponent %.2f; strategy time R^2 %.4f, exponent %.2f\n", varied.name,
                  of_trainings["r_squared"].get<double>(), of_trainings["exponent"].get<double>(),
                  of_seconds["r_squared"].get<double>(), of_seconds["exponent"].get<double>());
    }
  }
  return 0;
}
