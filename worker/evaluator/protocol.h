// The messages that an evaluator program answers with: JSON lines on its standard output.
#pragma once

#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

// {"progress": {"epoch": 1, "epochs": 5, "reward": 0.61}}
// {"result": {"metrics": {"accuracy": 0.874, …}}}
// {"failure": {"kind": "infeasible" | "retry", "message": "…"}}
using EvaluatorMessage = std::variant<Progress, EvaluationResult, EvaluationFailure>;

// INVALID_ARGUMENT says what is wrong with the line, without quoting it. A metric that is null, which is how most
// libraries write a not-a-number, makes the architecture infeasible.
absl::StatusOr<EvaluatorMessage> ParseEvaluatorMessage(std::string_view line);

}  // namespace layernas
