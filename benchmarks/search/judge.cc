#include "benchmarks/search/judge.h"

#include <algorithm>
#include <limits>

namespace layernas::bench {
namespace {

// Returns the area under the steps of `points` (by ascending cost, best judged value so far) from
// the first true cost to `largest`.
double Area(const std::vector<std::pair<double, double>>& points, double largest, double floor) {
  double area = 0;
  double best = floor;
  double from = 0;
  bool begun = false;
  for (const auto& [cost, judged] : points) {
    if (cost > largest) break;
    if (begun) area += (cost - from) * (best - floor);
    from = cost;
    begun = true;
    best = std::max(best, judged);
  }
  if (begun) area += (largest - from) * (best - floor);
  return area;
}

}  // namespace

void Judge(const Problem& problem, const std::vector<double>& targets,
           const std::vector<std::optional<core::Architecture>>& answers,
           const std::vector<std::pair<double, core::Architecture>>& frontier, RunResult& result) {
  for (std::size_t i = 0; i < targets.size(); ++i) {
    // Without an answer the worst architecture that meets the target is unknown, so the whole value
    // above zero counts.
    const auto& answer = answers[i];
    result.answered.push_back(answer.has_value());
    result.regret_judged.push_back(problem.BestJudged(targets[i]) - (answer ? problem.Judged(*answer) : 0));
    result.regret_reward.push_back(problem.BestExpectedReward(targets[i]) -
                                   (answer ? problem.ExpectedReward(*answer) : 0));
  }
  const auto truth = problem.TrueFrontier();
  result.hypervolume_ratio = std::numeric_limits<double>::quiet_NaN();
  if (truth.empty() || targets.empty()) return;
  const double largest = *std::max_element(targets.begin(), targets.end());
  std::vector<std::pair<double, double>> returned;
  for (const auto& [cost, architecture] : frontier) returned.emplace_back(cost, problem.Judged(architecture));
  const double floor = truth.front().second;
  result.hypervolume_ratio = Area(returned, largest, floor) / Area(truth, largest, floor);
}

}  // namespace layernas::bench
