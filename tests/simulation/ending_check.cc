#include "tests/simulation/ending_check.h"

#include <algorithm>
#include <limits>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/cost_limit.h"
#include "controller/core/standings.h"

namespace layernas::simulation {
namespace {

// The clocks, the turns and the disk take a moment.
constexpr Millis kSlack{5'000};

struct Counts {
  std::int64_t firsts = 0;
  std::int64_t spared = 0;
  std::int64_t repeats = 0;
  std::int64_t finals = 0;
  std::int64_t succeeded = 0;
  std::int64_t trainings() const { return firsts + repeats - spared; }
};

bool IsSpared(const core::SearchConfig& config, const core::Candidate& candidate) {
  return config.measure_first && candidate.state == core::CandidateState::kSkipped && candidate.measured_attempt > 0 &&
         std::none_of(config.targets.begin(), config.targets.end(),
                      [&](double target) { return MeetsLimit(candidate.cost, target); });
}

Counts CountOf(const Book::Search& search) {
  Counts counts;
  for (const core::Candidate& candidate : search.candidates) {
    if (candidate.final_of != 0) {
      ++counts.finals;
    } else if (candidate.repeat_of != 0) {
      ++counts.repeats;
    } else {
      ++counts.firsts;
    }
    if (IsSpared(*search.config, candidate)) ++counts.spared;
    if (candidate.state == core::CandidateState::kSucceeded) ++counts.succeeded;
  }
  return counts;
}

core::Standings StandingsOf(const Book::Search& search) {
  core::Standings standings(search.config->finalists, search.config->targets);
  for (const core::Candidate& candidate : search.candidates) {
    const bool succeeded = candidate.state == core::CandidateState::kSucceeded;
    const core::Outcome outcome{candidate.reward, candidate.cost};
    if (candidate.final_of != 0) continue;
    if (candidate.repeat_of == 0) {
      if (succeeded) standings.Add(candidate.number, outcome);
      continue;
    }
    standings.BeginRepeat(candidate.repeat_of);
    if (core::IsFinal(candidate.state)) {
      standings.EndRepeat(candidate.repeat_of, candidate.number,
                          succeeded ? std::optional<core::Outcome>(outcome) : std::nullopt);
    }
  }
  return standings;
}

std::string WhyReasonIsWrong(const Book::Search& search, const Counts& counts, SteadyTime now) {
  const core::SearchConfig& config = *search.config;
  const std::string& reason = search.stored.state_reason;
  if (reason.empty()) return "it says no reason";
  const std::int64_t left = config.trainings - counts.trainings();
  if (absl::StrContains(reason, " of trainings") || absl::StrContains(reason, "; -") ||
      absl::StrContains(reason, " of 0 training")) {
    return absl::StrCat("the reason makes no sense: ", reason);
  }
  if (absl::StrContains(reason, "defect")) return reason;
  if (absl::StrContains(reason, "budget of") && left > 0) {
    return absl::StrCat("its budget is said to be used, but ", left, " trainings are left");
  }
  if (absl::StrContains(reason, "its time of")) {
    if (config.duration.count() == 0) return "its time is said to be up, and it has no limit";
    if (!search.started) return "its time is said to be up before anything was handed out";
    if (!search.time_is_unknown && now - *search.started + kSlack < config.duration) {
      return "its time is said to be up too early";
    }
  }
  if (absl::StrContains(reason, "nothing is left to try") && counts.spared == 0) {
    if (static_cast<double>(counts.firsts) > config.space.Size()) return "it has tried more than there is";
  }
  return "";
}

std::string WhyRepeatsAreMissing(const Book::Search& search, const Counts& counts) {
  const core::SearchConfig& config = *search.config;
  if (config.finalists.trainings <= 1 || counts.repeats >= config.finalists.repeats) return "";
  if (config.trainings > 0 && counts.trainings() >= config.trainings) return "";
  const auto next = StandingsOf(search).NextRepeat();
  return next ? absl::StrCat("the repeat of finalist ", *next, " is missing") : "";
}

std::string WhyFinalsAreWrong(const Book::Search& search, const Counts& counts) {
  const core::SearchConfig& config = *search.config;
  std::set<std::uint64_t> winners;
  if (config.finals.per_target > 0) {
    const core::Standings standings = StandingsOf(search);
    std::vector<double> targets = config.targets;
    if (targets.empty()) targets.push_back(std::numeric_limits<double>::infinity());
    for (const double target : targets) {
      for (const std::uint64_t best : standings.BestWithin(target, config.finals.per_target)) winners.insert(best);
    }
  }
  const std::int64_t expected = static_cast<std::int64_t>(winners.size()) * config.finals.seeds;
  if (counts.finals != expected) {
    return absl::StrCat(counts.finals, " trainings in full instead of ", expected);
  }
  for (const core::Candidate& candidate : search.candidates) {
    if (candidate.final_of != 0 && !winners.contains(candidate.final_of)) {
      return absl::StrCat("candidate ", candidate.final_of, " is trained in full and is no winner");
    }
  }
  return "";
}

std::string WhyFailedWrongly(const Book::Search& search, const Counts& counts, const Book::OthersFit& others_fit) {
  if (counts.succeeded > 0) return "it has failed, but has results";
  if (!absl::StrContains(search.stored.state_reason, " attempts; ")) return "";
  std::set<std::string> workers;
  int failed = 0;
  for (const core::Candidate& candidate : search.candidates) {
    for (const core::AttemptFailure& failure : candidate.failures) {
      if (failure.kind == core::FailureKind::kWorkerLost) continue;
      workers.insert(failure.worker);
      ++failed;
    }
  }
  if (failed < search.config->initial_failures) return absl::StrCat("it has failed after ", failed, " failures");
  if (workers.size() == 1 && others_fit && others_fit(search, *workers.begin())) {
    return "it has failed for what one of several workers did";
  }
  return "";
}

}  // namespace

std::string WhyOverBudget(const Book::Search& search) {
  const core::SearchConfig& config = *search.config;
  const Counts counts = CountOf(search);
  if (config.trainings > 0 && counts.trainings() > config.trainings) {
    return absl::StrCat(counts.trainings(), " trainings with a budget of ", config.trainings);
  }
  if (config.finalists.trainings > 1 ? counts.repeats > config.finalists.repeats : counts.repeats > 0) {
    return absl::StrCat(counts.repeats, " repeats");
  }
  if (static_cast<double>(counts.firsts) > config.space.Size()) return "more architectures than there are";
  return "";
}

std::string WhyEndedWrongly(const Book::Search& search, SteadyTime now, const Book::OthersFit& others_fit) {
  const Counts counts = CountOf(search);
  if (search.stored.state == core::SearchState::kCancelled) return "";
  for (const core::Candidate& candidate : search.candidates) {
    if (!core::IsFinal(candidate.state)) return absl::StrCat("candidate ", candidate.number, " is still under way");
  }
  std::string why = WhyReasonIsWrong(search, counts, now);
  if (!why.empty()) return absl::StrCat(why, " (", search.stored.state_reason, ")");
  if (search.stored.state == core::SearchState::kFailed) return WhyFailedWrongly(search, counts, others_fit);
  if (counts.succeeded == 0) return "it has succeeded without a result";
  why = WhyRepeatsAreMissing(search, counts);
  if (why.empty()) why = WhyFinalsAreWrong(search, counts);
  return why.empty() ? "" : absl::StrCat(why, " (", search.stored.state_reason, ")");
}

}  // namespace layernas::simulation
