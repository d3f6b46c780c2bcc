// The agent: leases tasks from the controller, runs their evaluations, and reports the results.
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

// Keeps `slots` evaluators busy, each on its own thread. An AgentMachine decides what to do next.
// This class makes the machine's calls, with one thread per kind of call, and runs its evaluations.
// While the controller is unreachable, evaluations continue and results are kept. Run() may be
// called once; Drain() from any thread, at any time.
class Agent {
 public:
  Agent(AgentOptions options, std::unique_ptr<ControllerClient> client, EvaluatorFactory make_evaluator,
        WorkerMetrics& metrics);

  // Blocks until drained. Returns RESOURCE_EXHAUSTED at once if a thread cannot be started.
  absl::Status Run();

  // Makes Run() drain and return: it stops requesting tasks, stops the evaluations, returns their
  // tasks, delivers finished results, and says goodbye. This takes at most about 10 s after the
  // evaluators have ended.
  void Drain();

 private:
  // The next task of a slot's thread, and the means to stop its evaluation.
  struct Slot {
    std::shared_ptr<const v1::Task> next;
    std::stop_source stop;
  };

  // Work to do after the lock is released.
  struct Unlocked {
    bool cut_polls_off = false;
    std::vector<std::stop_source> stop;
  };

  // Passes an event to the machine, and then carries out the machine's actions.
  void Step(const std::function<void(AgentMachine&, SteadyTime now)>& event);
  // Passes the actions to the threads that wait for them, logs, and counts. Returns what Step()
  // must do after it has released the lock.
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
  // Wakes the machine at the times that it asks for, until it has finished.
  void WakeLoop();
  EvaluationOutcome Evaluate(Evaluator& evaluator, int slot, const v1::Task& task, std::stop_token stop);
  void Count(const EvaluationOver& over);

  const AgentOptions options_;
  const std::unique_ptr<ControllerClient> client_;
  const EvaluatorFactory make_evaluator_;
  WorkerMetrics& metrics_;

  Mutex mutex_;
  // Signals that one of the fields below has changed.
  CondVar changed_;
  AgentMachine machine_ ABSL_GUARDED_BY(mutex_);
  // The time until which WakeLoop() sleeps.
  SteadyTime wakeup_ ABSL_GUARDED_BY(mutex_) = SteadyTime::max();
  // True: no further evaluation starts.
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  // True: a thread could not be started, so the others end.
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);
  // Calls that wait to be made.
  std::optional<SendPoll> poll_ ABSL_GUARDED_BY(mutex_);
  std::optional<SendHeartbeat> heartbeat_ ABSL_GUARDED_BY(mutex_);
  std::optional<SendCompletions> completions_ ABSL_GUARDED_BY(mutex_);
  std::optional<SendRelease> release_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace layernas
