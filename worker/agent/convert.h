// Conversions between the API's messages and the evaluators' types.
#pragma once

#include "absl/status/statusor.h"
#include "layernas/v1/worker_service.pb.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

// Converts a task to an evaluation. The request contains the candidate's name and the fields that
// are set in the task, under their names in the proto files. If the task asks to keep the network,
// the request names a file for it: search/number-digits. No other attempt of this or any other
// store has the same name.
absl::StatusOr<Evaluation> ToEvaluation(const v1::Task& task, bool keeps_weights = false);

// Returns the duration, clamped to [0, most].
Millis BoundedMillis(const google::protobuf::Duration& duration, Millis most);

using LearningCurve = google::protobuf::RepeatedPtrField<v1::CurvePoint>;

// Adds progress to the curve in the form of worker_service.proto: ascending epochs, finite rewards
// and a bounded length. Progress that does not fit is dropped.
void AddToCurve(LearningCurve& curve, const Progress& progress);

// Returns the completion to report, or nothing if the evaluation was cancelled. If the outcome is
// within the limits of task_limits.h, so is the completion. A metric that is not a number becomes
// NaN.
std::optional<v1::Completion> ToCompletion(const v1::Task& task, const EvaluationOutcome& outcome,
                                           const LearningCurve& curve = {});

// Omits a reward that is not finite as a float.
v1::TaskProgress ToProto(const Progress& progress);

}  // namespace layernas
