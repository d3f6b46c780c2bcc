// What turns an architecture into metrics.
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
  // For people: searches/{id}/candidates/{number}.
  std::string task;
  std::string architecture_id;
  std::uint32_t seed = 0;
  // Longest time it may take; > 0.
  Millis timeout{0};
  // The fields of the evaluator protocol's request besides its task: one line with a JSON object.
  std::string request;
};

struct Progress {
  // From 1; 0 where the evaluator does not say.
  int epoch = 0;
  int epochs = 0;
  // Missing where it is not a number, which the result will tell.
  std::optional<double> reward = {};
  // The evaluation starts over: what was reported before no longer counts.
  bool begins_again = false;
  // Until its end the evaluation waits for the machine to itself, or has it: no other evaluation can begin.
  bool wants_machine = false;
};

// What the evaluator said meanwhile, for people: the last lines, well-formed UTF-8, at most 16 KiB.
struct EvaluatorLog {
  std::string tail;
  // Bytes before these.
  std::int64_t omitted_bytes = 0;
};

// Numbers by name; at least one. NaN where the evaluator said that a value is not a number, as after a training that
// diverged.
using Metrics = std::map<std::string, double>;

// The trained network, in a file of this machine.
struct KeptWeights {
  std::string path;
  // In hexadecimal digits.
  std::string sha256;
  std::int64_t bytes = 0;
};

struct EvaluationResult {
  EvaluationResult(Metrics all = {}) : metrics(std::move(all)) {}  // NOLINT: most results are their metrics.

  Metrics metrics;
  // Where the request asked for it.
  std::optional<KeptWeights> weights;
  EvaluatorLog log;
};

struct EvaluationFailure {
  enum class Kind {
    // No attempt can succeed: this is the architecture's fault.
    kInfeasible,
    // The evaluator's fault, or nobody's: another attempt may succeed.
    kEvaluator,
    // The machine had not enough memory left. Outside of this folder it does not occur (memory_retry.h).
    kOutOfMemory,
  };
  Kind kind = Kind::kEvaluator;
  // For people; any bytes.
  std::string message;
  // Its program ended because somebody else than this worker sent it SIGTERM.
  bool told_to_end = false;
  EvaluatorLog log = {};
};

// It was asked to stop, and there is nothing to tell.
struct EvaluationCancelled {};

using EvaluationOutcome = std::variant<EvaluationResult, EvaluationFailure, EvaluationCancelled>;

// Does one evaluation at a time. Not thread-safe.
class Evaluator {
 public:
  virtual ~Evaluator() = default;

  // Blocks until there is an outcome, for no longer than the evaluation's timeout and a moment. A stop request ends it
  // within a moment. `on_progress` is called on the calling thread, any number of times.
  virtual EvaluationOutcome Evaluate(const Evaluation& evaluation, std::stop_token stop,
                                     const std::function<void(const Progress&)>& on_progress) = 0;

  // The two calls below end what is kept for the next evaluation, such as a process with its memory. To be called
  // between evaluations, from any thread.
  //
  // Asks it to end, and returns at once.
  virtual void AskKeptToEnd() {}
  // Ends what is left of it at the deadline.
  virtual void EndKept(SteadyTime /*deadline*/) {}
};

// Makes the evaluator of slot 0, 1, …
using EvaluatorFactory = std::function<std::unique_ptr<Evaluator>(int slot)>;

}  // namespace layernas
