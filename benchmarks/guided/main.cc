// layernas-bench-guided: measures how long a proposal and a refit of guided LayerNAS take.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

#include "benchmarks/search/cpu_time.h"
#include "benchmarks/search/problem.h"
#include "common/base/random.h"
#include "controller/core/strategies/guided/guided_strategy.h"
#include "controller/core/strategies/guided/proposer.h"
#include "controller/core/strategies/guided/solver.h"

namespace {

using layernas::core::Architecture;

// Processor times in milliseconds.
class Times {
 public:
  template <typename Work>
  auto Measure(Work&& work) {
    const double begin = layernas::bench::CpuSeconds();
    auto result = work();
    Add(1e3 * (layernas::bench::CpuSeconds() - begin));
    return result;
  }

  void Add(double milliseconds) { milliseconds_.push_back(milliseconds); }

  nlohmann::json Summary() const {
    std::vector<double> sorted = milliseconds_;
    if (sorted.empty()) return {{"count", 0}};
    std::sort(sorted.begin(), sorted.end());
    return {{"median", sorted[sorted.size() / 2]},
            {"p90", sorted[sorted.size() * 9 / 10]},
            {"highest", sorted.back()},
            {"count", sorted.size()}};
  }

 private:
  std::vector<double> milliseconds_;
};

layernas::core::Outcome Train(const layernas::bench::Problem& problem, const Architecture& architecture) {
  return {problem.Reward(architecture, 1), problem.Cost(architecture)};
}

// Returns results of distinct, uniformly drawn architectures.
std::vector<layernas::core::PastProposal> UniformResults(const layernas::bench::Problem& problem, int count,
                                                         std::uint64_t seed) {
  std::vector<layernas::core::PastProposal> past;
  std::unordered_set<Architecture, layernas::core::ArchitectureHash> drawn;
  layernas::RandomStream random({seed, 0x9d1de});
  while (static_cast<int>(past.size()) < count) {
    Architecture architecture;
    for (const auto& layer : problem.space().layers) {
      architecture.push_back(static_cast<layernas::core::OptionIndex>(random.Below(layer.option_count)));
    }
    if (!drawn.insert(architecture).second) continue;
    layernas::core::PastProposal& one = past.emplace_back();
    one.observation = layernas::core::Observation::Result(Train(problem, architecture));
    one.proposal.architecture = std::move(architecture);
  }
  return past;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures the time of guided LayerNAS on a generated space with many known results.",
               "layernas-bench-guided");
  layernas::bench::GeneratedOptions generated;
  int results = 5000;
  int proposals = 200;
  int batch = 16;
  int under_way = 0;
  double target_share = 0.5;
  bool measured_cost = false;
  bool json = false;
  app.add_option("--layers", generated.layers)->default_val(20)->check(CLI::PositiveNumber);
  app.add_option("--options", generated.options, "Options per layer")->default_val(10)->check(CLI::PositiveNumber);
  app.add_option("--space-seed", generated.space_seed)->capture_default_str();
  app.add_option("--results", results, "Results known before the first proposal")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--proposals", proposals, "Proposals one after the other, each after the previous result")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", batch, "Proposals per computation, for as many workers")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--under-way", under_way, "Proposals without a result")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--target-share", target_share, "Target, as a share of the cost range")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_flag("--measured-cost", measured_cost, "Hide the costs of the layers, so that the cost is modelled too");
  app.add_flag("--json", json, "Print one JSON object per line");
  CLI11_PARSE(app, argc, argv);

  const auto problem = layernas::bench::Generate(generated);
  if (!problem.ok()) {
    std::cerr << problem.status().message() << "\n";
    return 2;
  }
  layernas::core::Space space = (*problem)->space();
  if (results > space.Size() / 2) {
    std::cerr << "--results: at most half of the space, which has " << space.Size() << " architectures\n";
    return 2;
  }
  const std::vector<double> targets = {space.CheapestCost() +
                                       target_share * (space.DearestCost() - space.CheapestCost())};
  if (measured_cost) {
    for (layernas::core::Layer& layer : space.layers) layer.costs.clear();
  }
  // Half of the budget is used.
  layernas::core::GuidedStrategy strategy(space, targets, std::int64_t{2} * results, 1);
  strategy.Restore(UniformResults(**problem, results, generated.space_seed));
  // The rest of the design is not computed.
  while (strategy.Propose().has_value()) {
  }

  // Times of proposals: with variances fitted again, with models fitted again, and of the others,
  // for which the new result is only appended to the models.
  Times variances;
  Times refit;
  Times proposal;
  // Times that the strategy's owner waits for: StartWork() and FinishWork() together, and
  // Observe().
  Times handover;
  Times observe;
  std::deque<Architecture> out;
  const auto propose = [&](Times* times, std::size_t count) {
    double begin = layernas::bench::CpuSeconds();
    const auto work = strategy.StartWork(count);
    if (work == nullptr) return;
    double owners = layernas::bench::CpuSeconds() - begin;
    begin = layernas::bench::CpuSeconds();
    work->Run();
    const double run = layernas::bench::CpuSeconds() - begin;
    const auto& proposer = static_cast<const layernas::core::GuidedProposer&>(*work);
    if (times == nullptr) times = proposer.refitted() ? &refit : &proposal;
    times->Add(1e3 * run);
    begin = layernas::bench::CpuSeconds();
    strategy.FinishWork(*work);
    owners += layernas::bench::CpuSeconds() - begin;
    handover.Add(1e3 * owners);
    while (auto proposed = strategy.Propose()) out.push_back(std::move(proposed->architecture));
  };
  const auto finish_one = [&] {
    const layernas::core::Outcome outcome = Train(**problem, out.front());
    observe.Measure([&] {
      strategy.Observe(out.front(), layernas::core::Observation::Result(outcome));
      return 0;
    });
    out.pop_front();
  };
  propose(&variances, 1 + static_cast<std::size_t>(under_way));
  for (int i = 0; i < proposals && !out.empty(); ++i) {
    finish_one();
    propose(nullptr, 1);
  }
  if (out.empty()) {
    std::cerr << "nothing is left to propose\n";
    return 1;
  }
  Times many;
  finish_one();
  propose(&many, static_cast<std::size_t>(batch));

  const nlohmann::json line = {{"layers", generated.layers},
                               {"options", generated.options},
                               {"measured_cost", measured_cost},
                               {"cost_bins", layernas::core::SolverOptions().bins},
                               {"results", results},
                               {"under_way", under_way},
                               {"batch", batch},
                               {"handover_milliseconds", handover.Summary()},
                               {"observe_milliseconds", observe.Summary()},
                               {"proposal_milliseconds", proposal.Summary()},
                               {"batch_milliseconds", many.Summary()},
                               {"refit_and_proposal_milliseconds", refit.Summary()},
                               {"variances_refit_and_proposal_milliseconds", variances.Summary()}};
  if (json) {
    std::cout << line.dump() << std::endl;
    return 0;
  }
  std::printf("%d layers x %d options, %d results; milliseconds on one core, median and 90 %% quantile\n",
              generated.layers, generated.options, results);
  for (const char* what :
       {"handover", "observe", "proposal", "batch", "refit_and_proposal", "variances_refit_and_proposal"}) {
    const nlohmann::json& times = line[std::string(what) + "_milliseconds"];
    if (times["count"] == 0) continue;
    std::printf("%-30s %8.3f %8.3f\n", what, times["median"].get<double>(), times["p90"].get<double>());
  }
  return 0;
}
