// The evaluator protocol: JSON lines, one request at a time, in on one stream and answers out on the other.
//   -> {"evaluate": {"task", "candidate", "architecture", "network", "train", "measure", "seed", "work",
//                    "keep_weights"}}                                                see request.h
//   <- {"progress": {"epoch": 1, "epochs": 5, "reward": 0.61}, "task"}                 any number of times
//   <- {"progress": {"loading": {"done": 300, "of": 5000}}, "task"}                    before that, about once a second
//   <- {"result": {"metrics": {"accuracy": 0.874, …}, "weights": {"path", "sha256", "bytes"}}, "task"}   or
//   <- {"failure": {"kind": "infeasible" | "retry" | "out_of_memory", "message": "…", "of": "data"}, "task"}
// Each answer repeats the request's task, if it has one. A metric that is not a finite number is
// null. The worker decides with the spec's reward and cost whether the result is usable without it.
#pragma once

#include <functional>
#include <iosfwd>

#include "worker/trainer/evaluation_result.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

using EvaluateFunction = std::function<EvaluationResult(const EvaluateRequest&, const ProgressCallback&)>;

// Answers every line with exactly one result or failure, until `in` ends, `out` fails or the GPU is
// lost. (A LostGpuError is still answered.) Skips blank lines. Every exception of `evaluate`
// becomes a failure: InfeasibleError is "infeasible", MemoryError and std::bad_alloc are
// "out_of_memory", and any other std::exception is "retry". A line that is not JSON is answered
// with "retry", because it says nothing about the architecture. Writes one line of text per request
// to `log`.
void ServeRequests(std::istream& in, std::ostream& out, std::ostream& log, const EvaluateFunction& evaluate);

}  // namespace layernas::trainer
