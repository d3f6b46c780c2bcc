// Pulls tasks from the controller, has them evaluated, and hands the results back.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "worker/agent/agent_machine.h"
#include "worker/agent/controller_client.h"
#include "worker/agent/metrics.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

// Keeps `slots` evaluators busy, each on a thread of its own. What to do next is decided by an AgentMachine; this class
// makes its calls, each kind on a thread of its own, and runs its evaluations. While the controller is away,
// evaluations go on and results are kept. Run may be called once; Drain from any thread, at any time.
class Agent {
 public:
  Agent(AgentOptions options, std::unique_ptr<ControllerClient> client, EvaluatorFactory make_evaluator,
        WorkerMetrics& metrics);

  // Blocks until drained. RESOURCE_EXHAUSTED at once where its threads can't be made.
  absl::Status Run();

  // Makes Run stop asking for tasks, stop the evaluations, give their tasks back, deliver what is finished, say
  // goodbye, and return; all that within about 10 s after the evaluators have ended.
  void Drain();

 private:
  // What a slot's thread is to do, and how to stop it.
  struct Slot {
    std::shared_ptr<const v1::Task> next;
    std::stop_source stop;
  };

  // What is to be done without the lock.
  struct Unlocked {
    bool cut_polls_off = false;
    std::vector<std::stop_source> stop;
  };

  // Tells the machine of an event, and does what it then wants done.
  void Step(const std::function<void(AgentMachine&, SteadyTime now)>& event);
  // Puts what the threads wait for where they find it, logs, and counts. Step does the rest, without the lock.
  Unlocked HandOut(std::vector<Action> actions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void Abandon();
  // Makes each call that is put into `*next`, until the machine has finished.
  template <typename Send, typename Response, typename Call, typename Answered>
  void CallLoop(std::optional<Send> Agent::*next, Call call, Answered answered);
  void PollLoop();
  void HeartbeatLoop();
  void ReportLoop();
  void ReleaseLoop();
  void SlotLoop(int slot);
  // Wakes the machine when it wants to be woken, until it has finished.
  void WakeLoop();
  EvaluationOutcome Evaluate(Evaluator& evaluator, int slot, const v1::Task& task, std::stop_token stop);
  void Count(const EvaluationOver& over);

  const AgentOptions options_;
  const std::unique_ptr<ControllerClient> client_;
  const EvaluatorFactory make_evaluator_;
  WorkerMetrics& metrics_;

  Mutex mutex_;
  // Something below has changed.
  CondVar changed_;
  AgentMachine machine_ ABSL_GUARDED_BY(mutex_);
  // What WakeLoop waits for.
  SteadyTime wakeup_ ABSL_GUARDED_BY(mutex_) = SteadyTime::max();
  // No evaluation begins any more.
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  // Some thread could not be made: the others end.
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);
  // Calls to be made.
  std::optional<SendPoll> poll_ ABSL_GUARDED_BY(mutex_);
  std::optional<SendHeartbeat> heartbeat_ ABSL_GUARDED_BY(mutex_);
  std::optional<SendCompletions> completions_ ABSL_GUARDED_BY(mutex_);
  std::optional<SendRelease> release_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace layernas
