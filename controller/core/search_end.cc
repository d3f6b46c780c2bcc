// When a search is over, and why.
#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/base/cost_limit.h"
#include "controller/core/search.h"

namespace layernas::core {
namespace {

// Architectures that are measured and found to exceed every target before that is given up.
constexpr std::int64_t kMostSkipped = 100;
constexpr std::int64_t kMostSkippedPerTraining = 20;

}  // namespace

void Search::EndIfOver(UnixMillis now) {
  if (core::IsFinal(state_)) return;
  if (CountOf(CandidateState::kLeased) > 0 || !queue_.empty() || !SearchingIsOver()) return;
  BeginFinals();
  if (FinalsLeft() > 0) return;
  if (CountOf(CandidateState::kSucceeded) == 0) {
    End(SearchState::kFailed,
        CountOf(CandidateState::kSkipped) > 0
            ? absl::StrCat("none of the ", CountOf(CandidateState::kSkipped),
                           " architectures that were measured is within a target: the lowest cost is ", LowestCost())
            : absl::StrCat("no evaluation has succeeded; ", CommonestFailure()),
        now);
  } else if (StrategyIsDone()) {
    End(SearchState::kSucceeded, "the strategy has nothing left to try", now);
  } else if (time_is_up_) {
    End(SearchState::kSucceeded, "its time is up", now);
  } else if (MeasuredInVain()) {
    End(SearchState::kSucceeded,
        absl::StrCat(CountOf(CandidateState::kSkipped), " architectures that were measured exceed every target; ",
                     Remaining(), " of ", config_.trainings, " trainings are left"),
        now);
  } else if (BudgetUsed()) {
    End(SearchState::kSucceeded, absl::StrCat("its budget of ", config_.trainings, " trainings is used"), now);
  } else {
    // Whatever else is tried could not be repeated any more.
    End(SearchState::kSucceeded,
        absl::StrCat("its finalists are settled; ", Remaining(), " of ", config_.trainings, " trainings are left"),
        now);
  }
}

bool Search::StrategyIsDone() const { return strategy_->supply().when == Supply::When::kNever; }

bool Search::NothingLeft() const { return BudgetUsed() || (!NextRepeat() && (StrategyIsDone() || !MayPropose())); }

bool Search::SearchingIsOver() const {
  if (first_final_ != 0) return true;
  return CountOf(CandidateState::kLeased) == 0 && queue_.empty() && NothingLeft();
}

void Search::BeginFinals() {
  if (std::exchange(winners_known_, true) || config_.finals.per_target == 0) return;
  std::vector<double> targets = config_.targets;
  if (targets.empty()) targets.push_back(std::numeric_limits<double>::infinity());
  for (const double target : targets) {
    for (const std::uint64_t best :
         standings_.BestWithin(target, static_cast<std::size_t>(config_.finals.per_target))) {
      if (std::find(winners_.begin(), winners_.end(), best) == winners_.end()) winners_.push_back(best);
    }
  }
}

std::int64_t Search::FinalsBegun() const {
  return first_final_ == 0 ? 0 : static_cast<std::int64_t>(candidates_.size() - first_final_ + 1);
}

std::int64_t Search::FinalsLeft() const {
  // Whoever asks for one decides.
  if (!winners_known_) return config_.finals.per_target > 0 && CountOf(CandidateState::kSucceeded) > 0 ? 1 : 0;
  return static_cast<std::int64_t>(winners_.size()) * config_.finals.seeds - FinalsBegun();
}

std::int64_t Search::trainings() const {
  const std::size_t spared = config_.measure_first ? CountOf(CandidateState::kSkipped) : 0;
  return static_cast<std::int64_t>(candidates_.size() - spared) - FinalsBegun();
}

std::int64_t Search::Remaining() const { return config_.trainings - trainings(); }

bool Search::BudgetUsed() const {
  return time_is_up_ || (config_.trainings > 0 && Remaining() <= 0) || MeasuredInVain();
}

bool Search::MeasuredInVain() const {
  return config_.measure_first && config_.trainings > 0 &&
         static_cast<std::int64_t>(CountOf(CandidateState::kSkipped)) >=
             kMostSkipped + kMostSkippedPerTraining * config_.trainings;
}

bool Search::IsOverTargets(double cost) const {
  return !config_.targets.empty() &&
         !MeetsLimit(cost, *std::max_element(config_.targets.begin(), config_.targets.end()));
}

double Search::LowestCost() const {
  double lowest = std::numeric_limits<double>::infinity();
  for (const Candidate& candidate : candidates_) {
    if (candidate.measured_attempt > 0) lowest = std::min(lowest, candidate.cost);
  }
  return lowest;
}

bool Search::AreRepeatsDue() const {
  if (config_.finalists.trainings <= 1 || BudgetUsed()) return false;
  const std::int64_t repeats = config_.finalists.repeats - standings_.repeats_begun();
  return StrategyIsDone() || (config_.trainings > 0 && Remaining() <= repeats);
}

std::optional<std::uint64_t> Search::NextRepeat() const {
  return AreRepeatsDue() ? standings_.NextRepeat() : std::nullopt;
}

bool Search::MayPropose() const {
  if (BudgetUsed()) return false;
  if (!AreRepeatsDue()) return true;
  // What can't be repeated should it look best is not begun any more.
  return !standings_.NextRepeat() && (config_.trainings == 0 || Remaining() >= config_.finalists.trainings);
}

std::string Search::CommonestFailure() const {
  const auto commonest = std::max_element(failure_messages_.begin(), failure_messages_.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; });
  if (commonest == failure_messages_.end()) return "nothing was evaluated";
  return absl::StrCat("the commonest failure (", commonest->second, " times): ", commonest->first);
}

}  // namespace layernas::core
