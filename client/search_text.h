// How searches and what they found are put into words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/exit_code.h"
#include "client/output/table.h"
#include "layernas/v1/search.pb.h"

namespace layernas::client {

// "shapes10-1" and "searches/shapes10-1" both give the latter. INVALID_ARGUMENT for what can't be a search's name.
absl::StatusOr<std::string> SearchName(std::string_view written);
// The last part of a resource name: "shapes10-1" of "searches/shapes10-1", "7" of "searches/x-1/candidates/7".
std::string ShortName(std::string_view resource);

// "running"; "unknown" for a value of a newer controller.
std::string StateText(v1::SearchState state);
std::string StateText(v1::CandidateState state);
// "infeasible", "evaluator", "worker_lost".
std::string FailureKindText(v1::FailureKind kind);
// "is running", "has succeeded", "was cancelled".
std::string StateSentence(v1::SearchState state);
// ": why it is in this state", where there is more to say than the state itself.
std::string ReasonText(const v1::Search& search);
Cell StateCell(v1::SearchState state);
Cell StateCell(v1::CandidateState state);

bool IsFinal(v1::SearchState state);
bool IsFinal(v1::CandidateState state);
// Whether its cost is known: measured, or counted. A reward is known only of those that succeeded.
bool HasCost(const v1::Candidate& candidate);
// For a search that has ended.
ExitCode ExitCodeOf(v1::SearchState state);

// "42/80", or "42" where there is no budget of trainings.
std::string TrainingsText(const v1::SearchProgress& progress);
// "stage 3/8 block3", with the pass where there are several; empty for a strategy without stages.
std::string StageText(const v1::Search& search);
// "weight 2, priority 0, at most 8 running".
std::string SharingText(const v1::Sharing& sharing);
// "target 0.8: accuracy 0.874 at latency_ms 0.79", and of how many trainings that is the mean; or what is nearest where
// nothing meets the target.
std::string BestText(const v1::Search& search, const v1::TargetBest& best);

// "accuracy", "latency_ms" of the search.
std::string RewardName(const v1::Search& search);
std::string CostName(const v1::Search& search);

}  // namespace layernas::client
