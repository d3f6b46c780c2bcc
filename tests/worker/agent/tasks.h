// Tasks and outcomes for tests of the agent.
#pragma once

#include <string>

#include "layernas/v1/worker_service.pb.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

inline v1::Task MakeTask(int number, const std::string& token) {
  v1::Task task;
  task.set_lease_token(token);
  task.set_candidate("searches/x-1/candidates/" + std::to_string(number));
  task.set_identity("store/x-1/" + std::to_string(number));
  task.mutable_architecture()->set_id("arch-" + std::to_string(number));
  return task;
}
inline v1::Task MakeTask(int number) { return MakeTask(number, "lease-" + std::to_string(number)); }

inline EvaluationOutcome Accuracy(double value) { return Metrics{{"accuracy", value}}; }

}  // namespace layernas
