// The interface of evaluators, which turn an architecture into metrics.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "common/base/clock.h"

namespace layernas {

// One task.
struct Evaluation {
  // The candidate, for messages: searches/{id}/candidates/{number}.
  std::string task;
  std::string architecture_id;
  std::uint32_t seed = 0;
  // The maximum time of the evaluation; > 0.
  Millis timeout{0};
  // The fields of the evaluator protocol's request, except for its task: a JSON object in one line.
  std::string request;
};

struct Progress {
  // Counts from 1; 0 if the evaluator does not report it.
  int epoch = 0;
  int epochs = 0;
  // Empty if it is not a number; the result will say so.
  std::optional<double> reward = {};
  // True: the evaluation starts again, so earlier progress no longer counts.
  bool begins_again = false;
  // True: until its end, the evaluation waits to have the machine to itself, or has it. No other
  // evaluation can start.
  bool wants_machine = false;
};

// What the evaluator wrote during a task, for people: the last lines, as well-formed UTF-8 of at
// most 16 KiB.
struct EvaluatorLog {
  std::string tail;
  // The number of bytes omitted before the tail.
  std::int64_t omitted_bytes = 0;
};

// At least one number by name. A value is NaN if the evaluator said that it is not a number, for
// example because the training diverged.
using Metrics = std::map<std::string, double>;

// The trained network, in a file on this machine.
struct KeptWeights {
  std::string path;
  // Hexadecimal digits.
  std::string sha256;
  std::int64_t bytes = 0;
};

struct EvaluationResult {
  EvaluationResult(Metrics all = {}) : metrics(std::move(all)) {}  // NOLINT: most results are their metrics.

  Metrics metrics;
  // Set if the request asked for it.
  std::optional<KeptWeights> weights;
  EvaluatorLog log;
};

struct EvaluationFailure {
  enum class Kind {
    // No attempt can succeed: the architecture cannot be evaluated.
    kInfeasible,
    // The evaluator failed, or nobody knows why: another attempt may succeed.
    kEvaluator,
    // The machine had too little memory left. Callers outside of this folder never see this kind
    // (see memory_retry.h).
    kOutOfMemory,
  };
  Kind kind = Kind::kEvaluator;
  // For people; any bytes.
  std::string message;
  // With kOutOfMemory: the memory was for the data, so the failure says nothing about the
  // architecture.
  bool of_data = false;
  // True: the evaluator's program ended because someone other than this worker sent it SIGTERM.
  bool told_to_end = false;
  EvaluatorLog log = {};
};

// The evaluation was asked to stop and has no outcome.
struct EvaluationCancelled {};

using EvaluationOutcome = std::variant<EvaluationResult, EvaluationFailure, EvaluationCancelled>;

// Performs one evaluation at a time. Not thread-safe.
class Evaluator {
 public:
  virtual ~Evaluator() = default;

  // Blocks until there is an outcome, at most for the evaluation's timeout and a moment. A stop
  // request ends the evaluation within a moment. `on_progress` is called on the calling thread, any
  // number of times.
  virtual EvaluationOutcome Evaluate(const Evaluation& evaluation, std::stop_token stop,
                                     const std::function<void(const Progress&)>& on_progress) = 0;

  // AskKeptToEnd() and EndKept() end what is kept for the next evaluation, such as a process with
  // its memory. Call them between evaluations, from any thread.
  //
  // Asks it to end, and returns at once.
  virtual void AskKeptToEnd() {}
  // Waits for its end until the deadline, and then kills it.
  virtual void EndKept(SteadyTime /*deadline*/) {}
};

// Creates the evaluator of slot 0, 1, …
using EvaluatorFactory = std::function<std::unique_ptr<Evaluator>(int slot)>;

}  // namespace layernas
