// The messages of the evaluator protocol: JSON lines on an evaluator program's standard input and output.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

// The line that asks for an evaluation: {"evaluate": {"task": task, …}} with the fields of `evaluation.request`.
std::string FormatEvaluatorRequest(const std::string& task, const Evaluation& evaluation);

// The evaluator loads data, and is not yet training.
struct Loading {};

using EvaluatorMessage = std::variant<Progress, Loading, EvaluationResult, EvaluationFailure>;

// One line of an evaluator:
// {"progress": {"epoch": 1, "epochs": 5, "reward": 0.61}, "task": "…"}
// {"progress": {"loading": {"done": 3000, "of": 5000}}, "task": "…"}
// {"result": {"metrics": {"accuracy": 0.874, …}}, "task": "…"}
// {"failure": {"kind": "infeasible" | "retry" | "out_of_memory", "message": "…"}, "task": "…"}
struct EvaluatorAnswer {
  // The request's task as the line repeats it; nothing if it does not.
  std::optional<std::string> task;
  // False: nothing can be read from the line, so it does not say whether it names a task.
  bool is_json = false;
  // Within the limits of task_limits.h; names, texts and paths are well-formed UTF-8. INVALID_ARGUMENT says what is
  // wrong with the line, without quoting it. OUT_OF_RANGE: a result over a limit; it names the limit and the value.
  absl::StatusOr<EvaluatorMessage> message;
  // What was not usable and left out, for the log; empty if nothing was. Progress is never refused: what is odd in it
  // is left out.
  std::string left_out;
};

// Reads JSON as ParseLenientJson does. A metric that is null is NaN.
EvaluatorAnswer ParseEvaluatorAnswer(std::string_view line);

}  // namespace layernas
