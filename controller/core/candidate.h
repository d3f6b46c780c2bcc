// One architecture on its way from proposal to result.
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

// Stored: DO NOT CHANGE the values. QUEUED -> LEASED -> one of the others; back to QUEUED when a lease is lost,
// released or its attempt failed with attempts left, and when it is measured and yet to be trained. Once its attempts
// are used up (attempts.h): kInfeasible if they failed on different workers, kFailed otherwise.
enum class CandidateState {
  kQueued = 1,
  kLeased = 2,
  kSucceeded = 3,
  kInfeasible = 4,
  kFailed = 5,
  kSkipped = 6,
  // Its training was ended early, for it was hopeless beside others of like cost. Its reward is an estimate of what it
  // would have come to, which strategies learn from; it is no result, and on no frontier.
  kStopped = 7,
};

constexpr bool IsFinal(CandidateState state) { return state >= CandidateState::kSucceeded; }

// Stored: DO NOT CHANGE the values.
enum class FailureKind {
  // No attempt can succeed.
  kInfeasible = 1,
  // The evaluator crashed, timed out or answered with rubbish.
  kEvaluator = 2,
  // The lease ran out.
  kWorkerLost = 3,
};

// What a lease asks for. Where architectures are measured apart from their training, a candidate has a task to measure
// it and then one to train it.
enum class TaskKind { kEvaluate, kMeasure, kTrain };

// A trained network that a worker has kept.
struct WeightsFile {
  // On the worker's machine.
  std::string path;
  // In hexadecimal digits.
  std::string sha256;
  std::int64_t bytes = 0;

  bool operator==(const WeightsFile&) const = default;
};

// What one attempt brought, whole from the wire to the record.
struct AttemptResult {
  AttemptResult(Metrics all = {}, Curve learning_curve = {},
                std::vector<WeightsFile> kept = {})  // NOLINT: most are metrics.
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
  // A further training of the architecture with another seed: the number of the candidate that was its first, and which
  // repeat this is, from 1. 0 otherwise.
  std::uint64_t repeat_of = 0;
  int repeat = 0;
  // A training in full of an architecture that won: the number of the candidate that was its first, and which of the
  // seeds this is, from 1. 0 otherwise.
  std::uint64_t final_of = 0;
  int final_seed = 0;
  // Another architecture of the same network, which is trained in its place: the number of that candidate, which this
  // one follows. Only first trainings have twins. 0 otherwise.
  std::uint64_t twin_of = 0;
  CandidateState state = CandidateState::kQueued;
  // Leases granted so far. The number of the current one is its fence.
  int attempt = 0;
  // Who holds or last held it.
  std::string worker;
  // While it is not in a final state: the request that the latest lease answered.
  std::string request_id;
  // Measured apart: the number of leases granted when the measurement came, all of which were to measure; 0 before.
  // With it come cost and metrics.
  int measured_attempt = 0;
  // With kSucceeded: the attempt that brought the result, and the result.
  int result_attempt = 0;
  double reward = 0;
  double cost = 0;
  Metrics metrics;
  // Of the attempt that brought the result, or that was stopped. While it is leased, what was heard of it; that is not
  // stored.
  Curve curve;
  // What the attempt kept; at most one.
  std::vector<WeightsFile> weights;
  // Where the result is another search's: the name of its candidate. No attempt was made then.
  std::string reused_from;
  // Attempts used up.
  std::vector<AttemptFailure> failures;
  UnixMillis created = 0;
  UnixMillis started = 0;
  UnixMillis ended = 0;

  bool operator==(const Candidate&) const = default;
};

}  // namespace layernas::core
