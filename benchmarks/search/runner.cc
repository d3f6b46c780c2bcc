#include "benchmarks/search/runner.h"

#include <chrono>
#include <deque>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/random.h"

namespace layernas::bench {

std::vector<std::string> StrategyNames() {
  return {"random", "regularized_evolution", "layernas", "layernas_passes", "guided_layernas"};
}

absl::StatusOr<core::StrategyConfig> MakeStrategy(const std::string& name, const core::Space& space) {
  if (name == "random") return core::RandomOptions{};
  if (name == "regularized_evolution") return core::EvolutionOptions{};
  if (name == "guided_layernas") return core::GuidedOptions{};
  if (name == "layernas" || name == "layernas_passes") {
    core::LayerNasOptions options;
    options.order.resize(space.layers.size());
    std::iota(options.order.begin(), options.order.end(), 0);
    options.passes = name == "layernas" ? 1 : 100;
    return options;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown strategy ", name, "; expected one of ", absl::StrJoin(StrategyNames(), ", ")));
}

absl::StatusOr<RunResult> Run(const Problem& problem, const RunOptions& options) {
  core::SearchConfig config;
  config.space = problem.space();
  config.reward_metric = "reward";
  config.cost_metric = "cost";
  config.targets = options.targets;
  const auto strategy = MakeStrategy(options.strategy, problem.space());
  if (!strategy.ok()) return strategy.status();
  config.strategy = *strategy;
  if (options.measure_first && std::holds_alternative<core::LayerNasOptions>(config.strategy)) {
    return absl::InvalidArgumentError(options.strategy +
                                      " reaches small architectures through large ones, so it cannot be "
                                      "combined with measuring first");
  }
  config.seed = options.seed;
  config.trainings = options.trainings;
  config.finalists = {options.finalist_trainings, options.finalist_repeats};
  config.measure_first = options.measure_first;
  config.early_stop = options.early_stop;
  // A cost that is not known before the training is then measured before it.
  const bool needs_cost = options.early_stop.compared > 0 && !config.space.CostIsPerLayer();
  if (options.measure_first || needs_cost) config.measure_on.emplace();
  core::Search search(config, 0);
  RunResult result;
  std::int64_t epochs = 0;
  std::int64_t epochs_trained = 0;
  const auto lease = [&search]() -> const core::Candidate* {
    for (const core::TaskKind kind : search.kinds()) {
      if (const core::Candidate* candidate = search.Lease("bench", "", {}, kind)) return candidate;
    }
    return nullptr;
  };

  using Clock = std::chrono::steady_clock;
  Clock::duration spent{};
  const auto timed = [&spent](auto&& work) {
    const auto begin = Clock::now();
    auto done = work();
    spent += Clock::now() - begin;
    return done;
  };
  std::deque<std::pair<std::uint64_t, int>> out;
  while (!core::IsFinal(search.state())) {
    timed([&] {
      while (auto work = search.StartWork(options.parallel - out.size())) {
        work->Run();
        search.FinishWork(*work, 0);
      }
      return 0;
    });
    while (static_cast<int>(out.size()) < options.parallel) {
      const core::Candidate* candidate = timed(lease);
      if (candidate == nullptr) break;
      out.emplace_back(candidate->number, candidate->attempt);
    }
    if (out.empty()) break;
    const auto [number, attempt] = out.front();
    out.pop_front();
    const core::Architecture architecture = search.candidate(number)->architecture;
    if (search.KindOf(*search.candidate(number)) != core::TaskKind::kMeasure) {
      const std::span<const float> curve = problem.Curve(architecture);
      const int last = static_cast<int>(curve.size());
      int epoch = 0;
      const bool goes_on = timed([&, number = number, attempt = attempt] {
        while (epoch < last) {
          const float reward = curve[epoch++];
          if (!search.NoteProgress(number, attempt, {{epoch, reward}}, last, 0)) return false;
        }
        return true;
      });
      epochs += last;
      epochs_trained += epoch;
      if (!goes_on) continue;
    }
    const int repeat = search.candidate(number)->repeat;
    const std::uint64_t seed = repeat == 0 ? options.seed : MixKey({options.seed, static_cast<std::uint64_t>(repeat)});
    const core::Metrics metrics = {{"reward", problem.Reward(architecture, seed)},
                                   {"cost", problem.Cost(architecture)}};
    timed([&, number = number, attempt = attempt] {
      return search.Complete(number, attempt, "bench", {metrics, search.candidate(number)->curve}, {});
    });
  }

  result.stopped = static_cast<int>(search.CountOf(core::CandidateState::kStopped));
  if (epochs > 0) result.epochs_saved = 1 - static_cast<double>(epochs_trained) / static_cast<double>(epochs);
  result.trained = static_cast<int>(search.trainings());
  result.spared = static_cast<int>(search.candidates().size()) - result.trained;
  result.strategy_seconds = std::chrono::duration<double>(spent).count();
  std::vector<std::optional<core::Architecture>> answers;
  for (const core::BestWithinTarget& best : search.BestPerTarget()) {
    const core::Candidate* answer = search.candidate(best.candidate);
    answers.push_back(answer == nullptr ? std::nullopt : std::optional(answer->architecture));
  }
  std::vector<std::pair<double, core::Architecture>> frontier;
  for (const auto& [cost, point] : search.frontier().points()) {
    frontier.emplace_back(cost, search.candidate(point.candidate)->architecture);
  }
  Judge(problem, options.targets, answers, frontier, result);
  return result;
}

}  // namespace layernas::bench
