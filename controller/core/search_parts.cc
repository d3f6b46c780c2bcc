#include "controller/core/search_parts.h"

#include <algorithm>
#include <utility>

#include "common/base/cost_limit.h"
#include "controller/core/attempts.h"
#include "controller/core/strategies/strategy_factory.h"

namespace layernas::core {

SearchParts::SearchParts(SearchConfig search_config, std::deque<Candidate> stored)
    : config(std::move(search_config)),
      strategy(MakeStrategy(config.strategy, config.space, config.targets, config.trainings, config.seed)),
      candidates(config.space.layers.size(), IsMeasuredApart(), std::move(stored)),
      standings(config.finalists, config.targets),
      median_rule(config.early_stop),
      twins(config.network_identity),
      phase(config, candidates, standings, *strategy, failures),
      sharing(config.sharing) {}

double SearchParts::CostOf(const Candidate& candidate) const {
  return config.space.CostIsPerLayer() ? config.space.Cost(candidate.architecture)
                                       : *candidate.metrics.Find(config.cost_metric);
}

bool SearchParts::IsSpared(const Candidate& candidate) const {
  // A repeat may lie on the other side of the limit by chance.
  return config.measure_first && candidate.measured_attempt > 0 && IsFirst(candidate) && !config.targets.empty() &&
         !MeetsLimit(candidate.cost, *std::max_element(config.targets.begin(), config.targets.end()));
}

void SearchParts::Queue(Candidate& candidate, SteadyTime not_before, std::string avoid_worker) {
  candidates.SetState(candidate, CandidateState::kQueued);
  const std::string spared = WorkerToSpare(CountAttempts(candidate), config.attempts);
  const bool always = !spared.empty();
  queue.Push(
      {candidate.number, candidates.KindOf(candidate), not_before, always ? spared : std::move(avoid_worker), always});
}

std::optional<Observation> SearchParts::Learn(const Candidate& candidate) {
  if (candidate.final_of != 0) return std::nullopt;
  if (candidate.state == CandidateState::kSkipped) {
    // What is skipped leaves its stage unfinished: a table that lacks it is not final.
    if (IsSpared(candidate)) return Observation::TooDear(candidate.cost);
    return std::nullopt;
  }
  const bool succeeded = candidate.state == CandidateState::kSucceeded;
  const Outcome outcome{candidate.reward, candidate.cost};
  if (candidate.repeat_of != 0) {
    standings.EndRepeat(candidate.repeat_of, candidate.number,
                        succeeded ? std::optional<Outcome>(outcome) : std::nullopt);
    return std::nullopt;
  }
  if (succeeded) standings.Add(candidate.number, outcome, candidate.twin_of);
  if (succeeded || candidate.state == CandidateState::kStopped) {
    median_rule.Add(candidate.number, candidate.cost, candidate.curve,
                    succeeded ? std::optional<double>(candidate.reward) : std::nullopt);
    return Observation::Result(outcome);
  }
  return candidate.state == CandidateState::kInfeasible ? Observation::Infeasible() : Observation::Unknown();
}

}  // namespace layernas::core
