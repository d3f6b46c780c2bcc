// Between the wire and the evaluators.
#pragma once

#include "absl/status/statusor.h"
#include "layernas/v1/worker_service.pb.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

// The request holds only what is set in the task, the candidate's name among it; names are those of the proto files.
// Where weights are to be kept it has a name for them that no other attempt has, of this store or any other:
// search/number-digits.
absl::StatusOr<Evaluation> ToEvaluation(const v1::Task& task, bool keeps_weights = false);

// From 0 to `most`: what lies outside is brought there.
Millis BoundedMillis(const google::protobuf::Duration& duration, Millis most);

using LearningCurve = google::protobuf::RepeatedPtrField<v1::CurvePoint>;

// As worker_service.proto wants it: of ascending epochs, finite rewards, and no longer than may be. What does not fit
// in is left out.
void AddToCurve(LearningCurve& curve, const Progress& progress);

// Within the limits of task_limits.h where the outcome is; a metric that is not a number is NaN. Nothing to report for
// a cancelled one.
std::optional<v1::Completion> ToCompletion(const v1::Task& task, const EvaluationOutcome& outcome,
                                           const LearningCurve& curve = {});

// Without a reward that is not finite, as a float too.
v1::TaskProgress ToProto(const Progress& progress);

}  // namespace layernas
