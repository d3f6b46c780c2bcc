// Texts about searches and their results.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/exit_code.h"
#include "client/output/table.h"
#include "layernas/v1/search.pb.h"

namespace layernas::client {

// Returns "searches/shapes10-1" for both "shapes10-1" and "searches/shapes10-1". INVALID_ARGUMENT
// if `written` cannot be the name of a search.
absl::StatusOr<std::string> SearchName(std::string_view written);
// Returns the last part of a resource name: "shapes10-1" of "searches/shapes10-1", "7" of
// "searches/x-1/candidates/7".
std::string ShortName(std::string_view resource);

// Returns a text such as "running", or "unknown" for a value of a newer controller.
std::string StateText(v1::SearchState state);
std::string StateText(v1::CandidateState state);
// For example "infeasible", "evaluator", "worker_lost".
std::string FailureKindText(v1::FailureKind kind);
// For example "is running", "has succeeded", "was cancelled".
std::string StateSentence(v1::SearchState state);
// Returns ": " and the reason of the state, or an empty text if there is no further reason.
std::string ReasonText(const v1::Search& search);
Cell StateCell(v1::SearchState state);
Cell StateCell(v1::CandidateState state);

bool IsFinal(v1::SearchState state);
bool IsFinal(v1::CandidateState state);
// Returns whether the cost is known: measured or counted. The reward is known only if the candidate
// succeeded.
bool HasCost(const v1::Candidate& candidate);
// Requires a final state.
ExitCode ExitCodeOf(v1::SearchState state);

// For example "42/80", or "42" without a training budget.
std::string TrainingsText(const v1::SearchProgress& progress);
// For example "stage 3/8 block3", with the pass if there are several. Empty for a strategy without
// stages.
std::string StageText(const v1::Search& search);
// For example "weight 2, priority 0, at most 8 running".
std::string SharingText(const v1::Sharing& sharing);
// For example "target 0.8: accuracy 0.874 at latency_ms 0.79", with the number of trainings if the
// reward is a mean. If nothing meets the target, names the nearest result.
std::string BestText(const v1::Search& search, const v1::TargetBest& best);

// Return the names of the metrics of the search, for example "accuracy" and "latency_ms".
std::string RewardName(const v1::Search& search);
std::string CostName(const v1::Search& search);

}  // namespace layernas::client
