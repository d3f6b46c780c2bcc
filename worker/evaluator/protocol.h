// The messages of the evaluator protocol: JSON lines on standard input and output of an evaluator
// program.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

// Returns the line that requests an evaluation: {"evaluate": {"task": task, …}} with the fields of
// `evaluation.request`.
std::string FormatEvaluatorRequest(const std::string& task, const Evaluation& evaluation);

// The evaluator loads data and does not train yet.
struct Loading {};

using EvaluatorMessage = std::variant<Progress, Loading, EvaluationResult, EvaluationFailure>;

// One line of an evaluator:
// {"progress": {"epoch": 1, "epochs": 5, "reward": 0.61}, "task": "…"}
// {"progress": {"loading": {"done": 3000, "of": 5000}}, "task": "…"}
// {"result": {"metrics": {"accuracy": 0.874, …}}, "task": "…"}
// {"failure": {"kind": "infeasible" | "retry" | "out_of_memory", "message": "…", "of": "data"},
//  "task": "…"}; "of" is optional
struct EvaluatorAnswer {
  // The request's task, if the line repeats it.
  std::optional<std::string> task;
  // False: nothing can be read from the line, so it is unknown whether it names a task.
  bool is_json = false;
  // OK: the message is within the limits of task_limits.h; names, texts and paths are well-formed
  // UTF-8. INVALID_ARGUMENT says what is wrong with the line, without quoting it. OUT_OF_RANGE: a
  // result exceeds a limit; the error names the limit and the value.
  absl::StatusOr<EvaluatorMessage> message;
  // The ignored parts of the message, for the log; empty if there are none. Progress is never
  // refused: its unusable parts are ignored.
  std::string left_out;
};

// Parses the line as ParseLenientJson() does. A metric that is null becomes NaN.
EvaluatorAnswer ParseEvaluatorAnswer(std::string_view line);

}  // namespace layernas
