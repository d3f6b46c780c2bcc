// Decides who is to blame for failed attempts: the architecture, a worker, or nobody. Failed
// attempts, lost leases and infeasible architectures are counted separately.
#pragma once

#include <string>

#include "controller/core/candidate.h"

namespace layernas::core {

// Leases that a candidate may lose before it ends as kFailed. The limit is generous: fleets of
// pre-emptible machines lose leases all the time, and that says nothing about the architecture.
inline constexpr int kMaxLostLeases = 20;

// The failures of a candidate's current task. If architectures are measured apart, failures of the
// measurement do not count against the training.
struct AttemptCount {
  // Attempts that failed in the evaluator.
  int failed = 0;
  // Leases that were lost with their worker.
  int lost = 0;
  // The worker that made all `failed` attempts; empty if there are none, or if several workers made
  // them.
  std::string only_worker;
};

AttemptCount CountAttempts(const Candidate& candidate);

// What happens to a candidate whose latest attempt failed, if `attempts` attempts are allowed.
enum class AttemptVerdict { kRetry, kInfeasible, kFailed };
AttemptVerdict Judge(const AttemptCount& count, int attempts);

// Returns the worker that should not make the next attempt while others could, or "" if there is
// none. It is the worker that failed all attempts so far, if only one attempt is left. So one bad
// worker alone cannot end a candidate while other workers are available
// (CandidateQueue::kElsewhereLast).
std::string WorkerToSpare(const AttemptCount& count, int attempts);

}  // namespace layernas::core
