#include "controller/core/attempts.h"

namespace layernas::core {

AttemptCount CountAttempts(const Candidate& candidate) {
  AttemptCount count;
  bool several = false;
  for (const AttemptFailure& failure : candidate.failures) {
    if (failure.attempt <= candidate.measured_attempt) continue;
    if (failure.kind == FailureKind::kWorkerLost) {
      ++count.lost;
      continue;
    }
    several = several || (count.failed > 0 && failure.worker != count.only_worker);
    ++count.failed;
    count.only_worker = failure.worker;
  }
  if (several) count.only_worker.clear();
  return count;
}

AttemptVerdict Judge(const AttemptCount& count, int attempts) {
  if (count.failed >= attempts) {
    return count.only_worker.empty() ? AttemptVerdict::kInfeasible : AttemptVerdict::kFailed;
  }
  return count.lost >= kMaxLostLeases ? AttemptVerdict::kFailed : AttemptVerdict::kRetry;
}

std::string WorkerToSpare(const AttemptCount& count, int attempts) {
  return count.failed + 1 >= attempts ? count.only_worker : "";
}

}  // namespace layernas::core
