// A candidate: one architecture on its way from proposal to result.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "controller/core/curve.h"
#include "controller/core/evaluation_metrics.h"
#include "controller/core/strategy.h"

namespace layernas::core {

// Stored: DO NOT CHANGE the values. A candidate goes from QUEUED to LEASED and then to a final
// state. It goes back to QUEUED if its lease is lost or released, or if its attempt failed and
// attempts are left. It also goes back after a measurement, if it is to be trained. When its
// attempts are used up (attempts.h) it is kInfeasible if they failed on different workers,
// otherwise kFailed.
enum class CandidateState {
  kQueued = 1,
  kLeased = 2,
  kSucceeded = 3,
  kInfeasible = 4,
  kFailed = 5,
  kSkipped = 6,
  // The training was ended early because it was hopeless beside others of similar cost. The reward
  // is an estimate of the final reward. Strategies learn from it, but it is no result and on no
  // frontier.
  kStopped = 7,
};

constexpr bool IsFinal(CandidateState state) { return state >= CandidateState::kSucceeded; }

// Stored: DO NOT CHANGE the values.
enum class FailureKind {
  // No attempt can succeed.
  kInfeasible = 1,
  // The evaluator crashed, timed out or returned an invalid answer.
  kEvaluator = 2,
  // The lease expired.
  kWorkerLost = 3,
};

// What a lease asks for. If architectures are measured apart from their training, a candidate first
// has a task to measure it and then a task to train it.
enum class TaskKind { kEvaluate, kMeasure, kTrain };

// A trained network that a worker has kept.
struct WeightsFile {
  // Path on the worker's machine.
  std::string path;
  // In hexadecimal digits.
  std::string sha256;
  std::int64_t bytes = 0;

  bool operator==(const WeightsFile&) const = default;
};

// The result of one attempt, passed as a whole from the wire to the record.
struct AttemptResult {
  AttemptResult(Metrics all = {}, Curve learning_curve = {},
                std::vector<WeightsFile> kept = {})  // NOLINT: most results are only metrics.
      : metrics(std::move(all)), curve(std::move(learning_curve)), weights(std::move(kept)) {}

  Metrics metrics;
  Curve curve;
  // At most one.
  std::vector<WeightsFile> weights;
};

struct AttemptFailure {
  int attempt = 0;
  FailureKind kind = FailureKind::kEvaluator;
  std::string worker;
  std::string message;
  UnixMillis time = 0;

  bool operator==(const AttemptFailure&) const = default;
};

struct Candidate {
  // From 1, in the order of proposal.
  std::uint64_t number = 0;
  Architecture architecture;
  Position position;
  // If the candidate trains an architecture again with another seed: the number of the
  // architecture's first candidate, and the number of the repeat, from 1. Otherwise 0.
  std::uint64_t repeat_of = 0;
  int repeat = 0;
  // If the candidate fully trains a winner: the number of the architecture's first candidate, and
  // the number of the seed, from 1. Otherwise 0.
  std::uint64_t final_of = 0;
  int final_seed = 0;
  // If another architecture is the same network and is trained instead: the number of that
  // candidate, which this one follows. Otherwise 0. Only first trainings have twins.
  std::uint64_t twin_of = 0;
  CandidateState state = CandidateState::kQueued;
  // Leases granted so far. The number of the current lease is its fence.
  int attempt = 0;
  // The worker that holds or last held the candidate.
  std::string worker;
  // The request that the latest lease answered. Empty in a final state.
  std::string request_id;
  // If measured apart: the number of leases granted when the measurement arrived; 0 before. All
  // these leases were for the measurement. Cost and metrics arrive with it.
  int measured_attempt = 0;
  // With kSucceeded: the attempt with the result, and the result.
  int result_attempt = 0;
  double reward = 0;
  double cost = 0;
  Metrics metrics;
  // Learning curve of the attempt with the result, or else of the latest attempt, as far as it was
  // reported. Progress alone causes no write.
  Curve curve;
  // The networks that the attempt kept; at most one.
  std::vector<WeightsFile> weights;
  // If the result comes from another search: the name of its candidate. No attempt was made then.
  std::string reused_from;
  // Failed attempts and lost leases.
  std::vector<AttemptFailure> failures;
  UnixMillis created = 0;
  UnixMillis started = 0;
  UnixMillis ended = 0;

  bool operator==(const Candidate&) const = default;
};

}  // namespace layernas::core
