#include "client/output/search_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/output/units.h"

namespace layernas::client {
namespace {

constexpr std::string_view kPrefix = "searches/";

// SEARCH_STATE_RUNNING -> running
std::string WithoutPrefix(const std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return "unknown";
  std::string text = name.substr(prefix.size());
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); });
  return text;
}

}  // namespace

absl::StatusOr<std::string> SearchName(std::string_view written) {
  std::string_view id = written;
  if (id.starts_with(kPrefix)) id.remove_prefix(kPrefix.size());
  if (id.empty() || id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("'", std::string(written),
                                                   "' is not a search name: give a name such as shapes10-1; 'layernas "
                                                   "search list' lists them"));
  }
  return std::string(kPrefix) + std::string(id);
}

std::string ShortName(std::string_view resource) {
  const std::size_t slash = resource.rfind('/');
  return std::string(slash == std::string_view::npos ? resource : resource.substr(slash + 1));
}

std::string StateText(v1::SearchState state) { return WithoutPrefix(v1::SearchState_Name(state), "SEARCH_STATE_"); }

std::string StateSentence(v1::SearchState state) {
  const char* verb = !IsFinal(state) ? "is " : state == v1::SEARCH_STATE_CANCELLED ? "was " : "has ";
  return absl::StrCat(verb, StateText(state));
}

std::string ReasonText(const v1::Search& search) {
  const std::string& reason = search.state_reason();
  return reason.empty() || reason == StateText(search.state()) ? "" : absl::StrCat(": ", OneLine(reason));
}

std::string StateText(v1::CandidateState state) {
  return WithoutPrefix(v1::CandidateState_Name(state), "CANDIDATE_STATE_");
}

std::string FailureKindText(v1::FailureKind kind) { return WithoutPrefix(v1::FailureKind_Name(kind), "FAILURE_KIND_"); }

Cell StateCell(v1::SearchState state) {
  return Cell::Text(StateText(state), state == v1::SEARCH_STATE_SUCCEEDED ? Style::kGood
                                      : state == v1::SEARCH_STATE_FAILED  ? Style::kBad
                                                                          : Style::kPlain);
}

Cell StateCell(v1::CandidateState state) {
  switch (state) {
    case v1::CANDIDATE_STATE_SUCCEEDED:
      return Cell::Text(StateText(state), Style::kGood);
    case v1::CANDIDATE_STATE_INFEASIBLE:
    case v1::CANDIDATE_STATE_FAILED:
      return Cell::Text(StateText(state), Style::kBad);
    case v1::CANDIDATE_STATE_SKIPPED:
    case v1::CANDIDATE_STATE_STOPPED:
      return Cell::Text(StateText(state), Style::kFaint);
    default:
      return Cell::Text(StateText(state));
  }
}

bool IsFinal(v1::SearchState state) {
  return state == v1::SEARCH_STATE_SUCCEEDED || state == v1::SEARCH_STATE_FAILED || state == v1::SEARCH_STATE_CANCELLED;
}

bool IsFinal(v1::CandidateState state) {
  return state != v1::CANDIDATE_STATE_UNSPECIFIED && state != v1::CANDIDATE_STATE_QUEUED &&
         state != v1::CANDIDATE_STATE_LEASED;
}

bool HasCost(const v1::Candidate& candidate) {
  // A known cost is above 0; the field cannot express an unknown cost.
  return candidate.state() == v1::CANDIDATE_STATE_SUCCEEDED || candidate.cost() != 0;
}

ExitCode ExitCodeOf(v1::SearchState state) {
  switch (state) {
    case v1::SEARCH_STATE_SUCCEEDED:
      return ExitCode::kOk;
    case v1::SEARCH_STATE_FAILED:
      return ExitCode::kSearchFailed;
    case v1::SEARCH_STATE_CANCELLED:
      return ExitCode::kSearchCancelled;
    default:
      return ExitCode::kError;
  }
}

std::string TrainingsText(const v1::SearchProgress& progress) {
  std::string text = FormatCount(progress.trainings());
  if (progress.trainings_budget() > 0) absl::StrAppend(&text, "/", FormatCount(progress.trainings_budget()));
  return text;
}

std::string StageText(const v1::Search& search) {
  const v1::SearchProgress& progress = search.progress();
  if (progress.stage_count() == 0) return "";
  std::string text;
  if (search.spec().strategy().layernas().passes() > 1) {
    text = absl::StrCat("pass ", progress.pass(), "/", search.spec().strategy().layernas().passes(), " ");
  }
  absl::StrAppend(&text, "stage ", progress.stage(), "/", progress.stage_count());
  if (!progress.layer().empty() && !IsFinal(search.state())) absl::StrAppend(&text, " ", progress.layer());
  return text;
}

std::string SharingText(const v1::Sharing& sharing) {
  std::string text = absl::StrCat("weight ", FormatValue(sharing.weight()), ", priority ", sharing.priority());
  if (sharing.max_running() > 0) absl::StrAppend(&text, ", at most ", sharing.max_running(), " running");
  return text;
}

std::string BestText(const v1::Search& search, const v1::TargetBest& best) {
  const std::string target = FormatValue(best.target());
  if (best.has_best()) {
    std::string text = absl::StrCat("target ", target, ": ", RewardName(search), " ", FormatValue(best.best().reward()),
                                    " at ", CostName(search), " ", FormatValue(best.best().cost()));
    if (best.best().trainings() > 1) {
      absl::StrAppend(&text, " (mean of ", best.best().trainings(), " trainings, deviation ",
                      FormatValue(best.best().reward_deviation()), ")");
    }
    return text;
  }
  if (best.has_nearest()) {
    return absl::StrCat("nothing meets the target ", target, "; the nearest costs ",
                        FormatValue(best.nearest().cost()));
  }
  return absl::StrCat("target ", target, IsFinal(search.state()) ? ": no result" : ": no result yet");
}

std::string RewardName(const v1::Search& search) {
  const std::string& name = search.spec().objective().reward();
  return name.empty() ? "reward" : name;
}

std::string CostName(const v1::Search& search) {
  const std::string& name = search.spec().objective().cost();
  return name.empty() ? "cost" : name;
}

}  // namespace layernas::client
