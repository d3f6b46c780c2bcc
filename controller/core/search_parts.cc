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

void SearchParts::Restore(const SearchStatus& status) {
  std::vector<PastProposal> past;
  past.reserve(candidates.size());
  for (std::uint64_t number = 1; number <= candidates.size(); ++number) {
    Candidate& candidate = candidates[number];
    // An older version stored the request.
    if (IsFinal(candidate.state)) candidate.request_id = std::string();
    phase.Began(candidate);
    if (candidate.repeat_of != 0) standings.BeginRepeat(candidate.repeat_of);
    if (candidate.twin_of == 0) {
      for (const AttemptFailure& failure : candidate.failures)
        failures.Add(failure, KindOf(candidate, failure.attempt));
      if (candidate.measured_attempt > 0) failures.Succeeded(TaskKind::kMeasure);
      if (candidate.state == CandidateState::kSucceeded) failures.SucceededInAll();
    }
    // Twins were not counted as started either.
    if (candidate.twin_of == 0 && candidate.state == CandidateState::kSkipped && IsSpared(candidate)) {
      phase.Spared(candidate);
    }
    std::optional<Observation> observation;
    if (IsFinal(candidate.state)) observation = Learn(candidate);
    if (IsFirst(candidate)) {
      past.push_back({{candidate.architecture, candidate.position}, observation});
    }
    if (!IsFinal(status.state)) RestorePlace(candidate);
  }
  strategy->Restore(past);
  phase.Restore(status);
  if (!IsFinal(status.state)) phase.Advance(IsUnderWay());
  candidates.TakeDirty();
}

void SearchParts::RestorePlace(Candidate& candidate) {
  if (candidate.twin_of != 0) {
    if (!IsFinal(candidate.state)) twins.Wait(candidate.twin_of, candidate.number);
    return;
  }
  if (IsFirst(candidate)) {
    const std::uint64_t first = twins.Meet(candidate);
    if (first != 0 && !IsFollowed(candidates[first])) twins.Lead(candidate);
  }
  if (candidate.state == CandidateState::kQueued) Queue(candidate);
}

std::span<const TaskKind> SearchParts::kinds() const {
  static constexpr TaskKind kWhole[] = {TaskKind::kEvaluate};
  // If a worker can do both, measured candidates are trained before more are measured.
  static constexpr TaskKind kApart[] = {TaskKind::kTrain, TaskKind::kMeasure};
  if (IsMeasuredApart()) return kApart;
  return kWhole;
}

const std::map<std::string, std::string>& SearchParts::RequireOf(TaskKind kind) const {
  return kind == TaskKind::kMeasure ? *config.measure_on : config.require;
}

TaskKind SearchParts::KindOf(const Candidate& candidate, int attempt) const {
  if (!IsMeasuredApart()) return TaskKind::kEvaluate;
  const bool measures = candidate.measured_attempt == 0 || attempt <= candidate.measured_attempt;
  return measures ? TaskKind::kMeasure : TaskKind::kTrain;
}

double SearchParts::CostOf(const Candidate& candidate) const {
  return config.space.CostIsPerLayer() ? config.space.Cost(candidate.architecture)
                                       : *candidate.metrics.Find(config.cost_metric);
}

bool SearchParts::IsSpared(const Candidate& candidate) const {
  const Candidate& measured = candidate.twin_of != 0 ? candidates[candidate.twin_of] : candidate;
  const bool is_measured =
      candidate.measured_attempt > 0 || measured.measured_attempt > 0 || !measured.reused_from.empty();
  // A repeat may exceed the limit by chance.
  return config.measure_first && is_measured && IsFirst(candidate) && !config.targets.empty() &&
         !MeetsLimit(candidate.cost, *std::max_element(config.targets.begin(), config.targets.end()));
}

std::vector<BestWithinTarget> SearchParts::BestPerTarget() const {
  std::vector<BestWithinTarget> best;
  best.reserve(config.targets.size());
  for (const double target : config.targets) {
    const auto point = standings.frontier().BestWithin(target);
    best.push_back({target, point ? point->second.candidate : 0});
  }
  return best;
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
    // A skipped candidate leaves its stage unfinished: a table without it is not final.
    if (IsSpared(candidate)) return Observation::TooDear(candidate.cost);
    // The same network has failed, and no training was left to retry it. The strategy does not wait
    // for this candidate.
    if (candidate.twin_of != 0 && candidates[candidate.twin_of].state == CandidateState::kFailed) {
      return Observation::Unknown();
    }
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
