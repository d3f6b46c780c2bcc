#include "controller/core/search_phase.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/base/number.h"

namespace layernas::core {
namespace {

// Maximum architectures that are measured and exceed every target before searching ends:
// kMaxSpared, and kMaxSparedPerTraining more per training of the budget.
constexpr std::int64_t kMaxSpared = 100;
constexpr std::int64_t kMaxSparedPerTraining = 20;
// Maximum proposals in a row that are already tried networks before searching ends. Even spaces in
// which twins are common have no runs of that length.
constexpr std::int64_t kMaxTwinsInARow = 10'000;
// More than any search can have.
constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max() / 4;

std::string Trainings(std::int64_t count) { return absl::StrCat(count, count == 1 ? " training" : " trainings"); }

std::string Seconds(Millis duration) {
  return absl::StrCat(FormatNumber(static_cast<double>(duration.count()) / 1000), " s");
}

}  // namespace

SearchPhase::SearchPhase(const SearchConfig& config, const CandidateBook& candidates, const Standings& standings,
                         const Strategy& strategy, const FailureTally& failures)
    : config_(config), candidates_(candidates), standings_(standings), strategy_(strategy), failures_(failures) {}

void SearchPhase::Restore(const SearchStatus& status) {
  started_ = status.started;
  searching_over_ = status.searching_over;
  // The clock may have been set back since.
  time_is_up_ = searching_over_ == WhyTimeIsUp();
  if (first_final_ != 0 && searching_over_.empty()) {
    // An older version did not store it.
    searching_over_ = WhyOver(false);
    if (searching_over_.empty()) searching_over_ = "searching is over";
  }
  if (first_final_ != 0) ChooseWinners();
}

Next SearchPhase::next() const {
  if (winners_known_) {
    if (FinalsLeft() <= 0) return {};
    // Every winner gets one seed before any gets the next.
    const auto begun = static_cast<std::size_t>(FinalsBegun());
    return {Next::What::kFinal, static_cast<std::size_t>(FinalsLeft()), winners_[begun % winners_.size()],
            static_cast<int>(begun / winners_.size()) + 1};
  }
  if (!searching_over_.empty() || IsRestReserved()) {
    if (const std::int64_t left = RepeatsLeft(); left > 0) {
      if (const auto repeat = standings_.NextRepeat()) {
        return {Next::What::kRepeat, static_cast<std::size_t>(left), *repeat, 0};
      }
    }
  }
  const std::int64_t allowed = ProposalsLeft();
  if (allowed <= 0) return {};
  const Supply supply = strategy_.supply();
  if (supply.when != Supply::When::kNow && supply.when != Supply::When::kAfterWork) return {};
  return {Next::What::kProposal, std::min(supply.count, static_cast<std::size_t>(allowed)), 0, 0};
}

void SearchPhase::Began(const Candidate& candidate) {
  if (candidate.twin_of != 0) {
    ++twins_in_a_row_;
    return;
  }
  if (candidate.final_of == 0) {
    ++begun_;
    twins_in_a_row_ = 0;
  } else if (first_final_ == 0) {
    first_final_ = candidate.number;
  }
}

void SearchPhase::Spared(const Candidate& candidate) {
  lowest_spared_cost_ = spared_ == 0 ? candidate.cost : std::min(lowest_spared_cost_, candidate.cost);
  ++spared_;
}

void SearchPhase::Started(UnixMillis now) {
  if (started_ == 0) started_ = now;
}

bool SearchPhase::CheckTime(UnixMillis now, Millis clock_set) {
  if (config_.duration.count() == 0 || started_ == 0 || winners_known_) return false;
  time_is_up_ = time_is_up_ || Millis{now - started_} - clock_set >= config_.duration;
  return time_is_up_;
}

bool SearchPhase::Advance(bool under_way) {
  if (searching_over_.empty()) searching_over_ = WhyOver(under_way);
  if (under_way || searching_over_.empty() || next().what != Next::What::kNothing) return false;
  ChooseWinners();
  return next().what == Next::What::kNothing;
}

SearchPhase::End SearchPhase::Ending() const {
  std::string over = searching_over_;
  if (config_.trainings > 0 && TrainingsLeft() > 0) {
    absl::StrAppend(&over, "; ", TrainingsLeft(), " of ", Trainings(config_.trainings), " unused");
  }
  if (candidates_.CountOf(CandidateState::kSucceeded) > 0) return {SearchState::kSucceeded, over};
  if (spared_ > 0 && trainings() == 0) {
    return {SearchState::kFailed,
            absl::StrCat("none of the ", spared_,
                         " architectures that were measured is within a target: the lowest cost is ",
                         FormatNumber(lowest_spared_cost_), "; ", over)};
  }
  if (candidates_.size() == 0) return {SearchState::kFailed, absl::StrCat("nothing was evaluated: ", over)};
  return {SearchState::kFailed, absl::StrCat("no evaluation has succeeded; ", failures_.Commonest(), "; ", over)};
}

std::int64_t SearchPhase::TrainingsLeft() const {
  return config_.trainings > 0 ? config_.trainings - trainings() : kUnlimited;
}

std::int64_t SearchPhase::RepeatsLeft() const {
  if (config_.finalists.trainings <= 1) return 0;
  return std::min(config_.finalists.repeats - standings_.repeats_begun(), TrainingsLeft());
}

bool SearchPhase::IsRestReserved() const { return config_.trainings > 0 && TrainingsLeft() <= RepeatsLeft(); }

std::int64_t SearchPhase::ProposalsLeft() const {
  if (!searching_over_.empty()) return 0;
  return FirstTrainingsLeft(candidates_.Leased() > 0 || candidates_.CountOf(CandidateState::kQueued) > 0);
}

std::int64_t SearchPhase::FirstTrainingsLeft(bool others_under_way) const {
  const std::int64_t left = TrainingsLeft();
  if (!IsRestReserved()) return left - std::max<std::int64_t>(RepeatsLeft(), 0);
  // The finalists are settled, or there are none yet. A new architecture is not started if its
  // repeats would no longer fit into the budget, unless no repeatable architecture meets a target.
  const double highest = config_.targets.empty() ? std::numeric_limits<double>::infinity()
                                                 : *std::max_element(config_.targets.begin(), config_.targets.end());
  if (standings_.frontier().BestWithin(highest)) return left - config_.finalists.trainings + 1;
  return others_under_way ? 0 : std::min<std::int64_t>(left, 1);
}

bool SearchPhase::MeasuredInVain() const {
  return config_.measure_first && config_.trainings > 0 &&
         spared_ >= kMaxSpared + kMaxSparedPerTraining * config_.trainings;
}

std::string SearchPhase::WhyTimeIsUp() const {
  return absl::StrCat("its time of ", Seconds(config_.duration), " is up");
}

std::string SearchPhase::WhyOver(bool under_way) const {
  // Candidates that are still being measured may be skipped and leave their trainings to others.
  const bool may_spare = config_.measure_first && under_way;
  if (config_.trainings > 0 && TrainingsLeft() <= 0 && !may_spare) {
    return absl::StrCat("its budget of ", Trainings(config_.trainings), " is used");
  }
  if (time_is_up_) return WhyTimeIsUp();
  if (MeasuredInVain()) return absl::StrCat(spared_, " architectures that were measured exceed every target");
  if (twins_in_a_row_ >= kMaxTwinsInARow) {
    return absl::StrCat("nothing is left to try: the last ", twins_in_a_row_,
                        " architectures are networks that were tried already");
  }
  const Supply supply = strategy_.supply();
  if (supply.when == Supply::When::kNever) return absl::StrCat("nothing is left to try: ", supply.reason);
  if (under_way || next().what != Next::What::kNothing) return "";
  if (ProposalsLeft() <= 0) return "its finalists are settled";
  // A strategy must not wait for outcomes while nothing is in progress. It is better to end the
  // search than to hang.
  return "the strategy proposes nothing more, which is a bug in layernas";
}

void SearchPhase::ChooseWinners() {
  if (winners_known_) return;
  winners_known_ = true;
  if (config_.finals.per_target == 0) return;
  std::vector<double> targets = config_.targets;
  if (targets.empty()) targets.push_back(std::numeric_limits<double>::infinity());
  for (const double target : targets) {
    for (const std::uint64_t best :
         standings_.BestWithin(target, static_cast<std::size_t>(config_.finals.per_target))) {
      if (std::find(winners_.begin(), winners_.end(), best) == winners_.end()) winners_.push_back(best);
    }
  }
}

std::int64_t SearchPhase::FinalsBegun() const {
  return first_final_ == 0 ? 0 : static_cast<std::int64_t>(candidates_.size() - first_final_ + 1);
}

std::int64_t SearchPhase::FinalsLeft() const {
  return static_cast<std::int64_t>(winners_.size()) * config_.finals.seeds - FinalsBegun();
}

}  // namespace layernas::core
