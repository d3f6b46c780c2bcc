// Who is to blame when attempts fail: the architecture, a worker, or nobody. A failed attempt, a lost lease and a bad
// architecture are three things, and are counted apart.
#pragma once

#include <string>

#include "controller/core/candidate.h"

namespace layernas::core {

// Leases that a candidate may lose before it is given up as kFailed. Generous: fleets of pre-emptible machines lose
// leases all the time, and that says nothing about the architecture.
inline constexpr int kMaxLostLeases = 20;

// What the failures of a candidate's current task say. Where architectures are measured apart, the failures of the
// measurement do not count against the training.
struct AttemptCount {
  // Attempts that an evaluator failed.
  int failed = 0;
  // Leases that were lost with their worker.
  int lost = 0;
  // The one worker that all `failed` attempts were made on; empty if there are none, or several workers.
  std::string only_worker;
};

AttemptCount CountAttempts(const Candidate& candidate);

// What becomes of a candidate whose latest attempt failed, with `attempts` allowed in all.
enum class AttemptVerdict { kRetry, kInfeasible, kFailed };
AttemptVerdict Judge(const AttemptCount& count, int attempts);

// The worker that should not make the next attempt while others could: the one that has failed all attempts so far, if
// only one is left. One bad worker alone thus has no architecture given up while others come to it
// (CandidateQueue::kElsewhereLast). Empty if there is none.
std::string WorkerToSpare(const AttemptCount& count, int attempts);

}  // namespace layernas::core
