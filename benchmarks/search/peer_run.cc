#include "benchmarks/search/peer_run.h"

#include <algorithm>
#include <chrono>

#include "benchmarks/peers/peer.h"
#include "common/base/cost_limit.h"

namespace layernas::bench {
namespace {

struct Trained {
  core::Architecture architecture;
  double reward = 0;
  double cost = 0;
};

// Returns the trainings that none of the same or a lower cost matches in reward, by ascending cost.
std::vector<std::pair<double, core::Architecture>> FrontierOf(std::vector<Trained> trained) {
  std::stable_sort(trained.begin(), trained.end(), [](const Trained& a, const Trained& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.reward > b.reward;
  });
  std::vector<std::pair<double, core::Architecture>> frontier;
  double best = 0;
  for (const Trained& one : trained) {
    if (!frontier.empty() && one.reward <= best) continue;
    best = one.reward;
    frontier.emplace_back(one.cost, one.architecture);
  }
  return frontier;
}

}  // namespace

std::vector<RunResult> RunPeer(const Problem& problem, const std::string& name, double target, std::uint64_t seed,
                               const std::vector<int>& trainings) {
  const auto peer = MakePeer(name, problem.space(), target, seed);
  std::vector<RunResult> results;
  std::vector<Trained> trained;
  using Clock = std::chrono::steady_clock;
  Clock::duration spent{};
  for (const int budget : trainings) {
    while (static_cast<int>(trained.size()) < budget) {
      const auto begin = Clock::now();
      const auto architecture = peer->Propose();
      if (architecture) {
        const Trained& one = trained.emplace_back(
            Trained{*architecture, problem.Reward(*architecture, seed), problem.Cost(*architecture)});
        peer->Observe(one.architecture, one.reward, one.cost);
      }
      spent += Clock::now() - begin;
      if (!architecture) break;
    }
    RunResult& result = results.emplace_back();
    result.trained = static_cast<int>(trained.size());
    result.strategy_seconds = std::chrono::duration<double>(spent).count();
    const auto frontier = FrontierOf(trained);
    // The best reward that meets the target is the last one on the frontier that does.
    std::optional<core::Architecture> answer;
    for (const auto& [cost, architecture] : frontier) {
      if (MeetsLimit(cost, target)) answer = architecture;
    }
    Judge(problem, {target}, {answer}, frontier, result);
  }
  return results;
}

}  // namespace layernas::bench
