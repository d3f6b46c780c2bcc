// The evaluator protocol: JSON lines, one request at a time, in on one stream and answers out on the other.
//   -> {"evaluate": {"task", "candidate", "architecture", "network", "train", "measure", "seed", "work",
//                    "keep_weights"}}                                                see request.h
//   <- {"progress": {"epoch": 1, "epochs": 5, "reward": 0.61}, "task"}                 any number of times
//   <- {"progress": {"loading": {"done": 300, "of": 5000}}, "task"}                    before that, about once a second
//   <- {"result": {"metrics": {"accuracy": 0.874, …}, "weights": {"path", "sha256", "bytes"}}, "task"}   or
//   <- {"failure": {"kind": "infeasible" | "retry" | "out_of_memory", "message": "…"}, "task"}
// Each answer repeats the request's task, if it has one. A metric that is not a finite number is null: the worker
// decides by the spec's reward and cost whether the result is usable without it.
#pragma once

#include <functional>
#include <iosfwd>

#include "worker/trainer/evaluation_result.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

using EvaluateFunction = std::function<EvaluationResult(const EvaluateRequest&, const ProgressCallback&)>;

// Answers every line with exactly one result or failure until `in` ends, `out` fails or the GPU is lost (LostGpuError,
// once that is answered); blank lines are passed over. Whatever `evaluate` throws becomes a failure: InfeasibleError
// "infeasible", MemoryError and std::bad_alloc "out_of_memory", any other std::exception "retry". A line that is not
// JSON says nothing about the architecture and is answered with "retry". One line of text per request goes to `log`.
void ServeRequests(std::istream& in, std::ostream& out, std::ostream& log, const EvaluateFunction& evaluate);

}  // namespace layernas::trainer
