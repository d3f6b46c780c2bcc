#include "tests/simulation/ending_check.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace layernas::simulation {
namespace {

// The time that clocks, turns and the disk may take.
constexpr Millis kSlack{5'000};
// The time until a controller knows a worker, and a worker knows a controller.
constexpr Millis kKnown{15'000};

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
         candidate.repeat_of == 0 && candidate.final_of == 0 &&
         std::none_of(config.targets.begin(), config.targets.end(),
                      [&](double target) { return candidate.cost <= target * (1 + 1e-9); });
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

bool Meets(double cost, double target) { return cost <= target * (1 + 1e-9); }

// An architecture and its trainings; full ones are counted separately.
struct Standing {
  std::uint64_t first = 0;
  double reward = 0;
  double cost = 0;
  int succeeded = 0;
  int begun = 1;
};

// Returns the architectures that have a result.
std::vector<Standing> StandingsOf(const Book::Search& search) {
  std::map<std::uint64_t, Standing> by_first;
  for (const core::Candidate& candidate : search.candidates) {
    if (candidate.final_of != 0) continue;
    const std::uint64_t first = candidate.repeat_of == 0 ? candidate.number : candidate.repeat_of;
    Standing& standing = by_first[first];
    standing.first = first;
    if (candidate.repeat_of != 0) ++standing.begun;
    if (candidate.state != core::CandidateState::kSucceeded) continue;
    // The running mean. Rounding does not change it if all numbers are equal.
    ++standing.succeeded;
    standing.reward += (candidate.reward - standing.reward) / standing.succeeded;
    standing.cost += (candidate.cost - standing.cost) / standing.succeeded;
  }
  std::vector<Standing> standings;
  for (auto& [first, standing] : by_first) {
    if (standing.succeeded > 0) standings.push_back(standing);
  }
  // Best first.
  std::sort(standings.begin(), standings.end(), [](const Standing& a, const Standing& b) {
    return std::tie(b.reward, a.cost, a.first) < std::tie(a.reward, b.cost, b.first);
  });
  return standings;
}

std::vector<Standing> BestWithin(const std::vector<Standing>& standings, double target, std::size_t count) {
  std::vector<Standing> best;
  for (const Standing& standing : standings) {
    if (best.size() < count && Meets(standing.cost, target)) best.push_back(standing);
  }
  return best;
}

// Returns those that no other matches at equal or lower cost.
std::vector<Standing> FrontierOf(const std::vector<Standing>& standings) {
  std::vector<Standing> frontier;
  for (const Standing& standing : standings) {
    const bool is_matched = std::any_of(frontier.begin(), frontier.end(),
                                        [&](const Standing& better) { return better.cost <= standing.cost; });
    if (!is_matched) frontier.push_back(standing);
  }
  return frontier;
}

// Returns how many architectures have at most that cost. The costs in drawn specs are tenths.
double CountWithin(const core::Space& space, double target) {
  const auto tenths = [](double cost) { return static_cast<std::size_t>(cost * 10 + 0.5); };
  const std::size_t limit = tenths(target);
  if (tenths(space.base_cost) > limit) return 0;
  std::vector<double> counts(limit + 1);
  counts[tenths(space.base_cost)] = 1;
  for (const core::Layer& layer : space.layers) {
    std::vector<double> next(limit + 1);
    for (const double cost : layer.costs) {
      for (std::size_t i = tenths(cost); i <= limit; ++i) next[i] += counts[i - tenths(cost)];
    }
    counts = std::move(next);
  }
  return std::accumulate(counts.begin(), counts.end(), 0.0);
}

// Returns true if a target has architectures that were never tried.
bool IsSomethingLeft(const Book::Search& search) {
  const core::SearchConfig& config = *search.config;
  // This strategy only tries what its tables lead to.
  if (std::holds_alternative<core::LayerNasOptions>(config.strategy)) return false;
  const bool exhaustive = std::holds_alternative<core::ExhaustiveOptions>(config.strategy);
  if (config.targets.empty() || (exhaustive && !config.space.CostIsPerLayer())) {
    return static_cast<double>(search.firsts.size()) < config.space.Size();
  }
  // With measured costs, nobody knows what is left.
  if (!config.space.CostIsPerLayer()) return false;
  const double target = *std::max_element(config.targets.begin(), config.targets.end());
  const auto tried = std::count_if(search.firsts.begin(), search.firsts.end(),
                                   [&](const auto& first) { return Meets(config.space.Cost(first.first), target); });
  return static_cast<double>(tried) < CountWithin(config.space, target);
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
  if (absl::StrContains(reason, "bug in layernas")) return reason;
  if (absl::StrContains(reason, "budget of") && left > 0) {
    return absl::StrCat("its budget is said to be used, but ", left, " trainings are left");
  }
  if (absl::StrContains(reason, "its time of")) {
    if (config.duration.count() == 0) return "its time is said to be up, and it has no limit";
    if (search.candidates.empty()) return "its time is said to be up before anything was handed out";
    if (!search.time_is_unknown && search.started && now - *search.started + kSlack < config.duration) {
      return "its time is said to be up too early";
    }
  }
  if (absl::StrContains(reason, "nothing is left to try") && IsSomethingLeft(search)) {
    return "something is left to try";
  }
  return "";
}

std::string WhyRepeatsAreMissing(const Book::Search& search, const Counts& counts) {
  const core::SearchConfig& config = *search.config;
  if (config.finalists.trainings <= 1 || counts.repeats >= config.finalists.repeats) return "";
  if (config.trainings > 0 && counts.trainings() >= config.trainings) return "";
  const std::vector<Standing> standings = StandingsOf(search);
  std::vector<Standing> finalists;
  for (const double target : config.targets) {
    for (const Standing& best : BestWithin(standings, target, 1)) finalists.push_back(best);
  }
  if (config.targets.empty()) finalists = FrontierOf(standings);
  for (const Standing& finalist : finalists) {
    if (finalist.begun < config.finalists.trainings) {
      return absl::StrCat("finalist ", finalist.first, " was trained only ", finalist.begun, " times");
    }
  }
  return "";
}

std::string WhyFinalsAreWrong(const Book::Search& search, const Counts& counts) {
  const core::SearchConfig& config = *search.config;
  std::set<std::uint64_t> winners;
  if (config.finals.per_target > 0) {
    const std::vector<Standing> standings = StandingsOf(search);
    std::vector<double> targets = config.targets;
    if (targets.empty()) targets.push_back(std::numeric_limits<double>::infinity());
    for (const double target : targets) {
      const auto count = static_cast<std::size_t>(config.finals.per_target);
      for (const Standing& best : BestWithin(standings, target, count)) winners.insert(best.first);
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
  if (workers.size() == 1 && others_fit && others_fit(search, *workers.begin(), kKnown)) {
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
  if (!search.stored.state_reason.starts_with(search.stored.searching_over)) {
    return "its reason is not why its searching ended";
  }
  why = WhyRepeatsAreMissing(search, counts);
  if (why.empty()) why = WhyFinalsAreWrong(search, counts);
  return why.empty() ? "" : absl::StrCat(why, " (", search.stored.state_reason, ")");
}

}  // namespace layernas::simulation
