// Pulls tasks from the controller, has them evaluated, and hands the results back.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "layernas/v1/worker_service.pb.h"
#include "worker/agent/controller_client.h"
#include "worker/agent/convert.h"
#include "worker/agent/metrics.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

struct AgentOptions {
  std::string worker_id;
  std::map<std::string, std::string> labels;
  // Evaluations at once; at least 1.
  int slots = 1;

  // Whether evaluators know where to keep the networks of winners.
  bool keeps_weights = false;

  // The rest is changed by tests alone.
  // How long a request for tasks may wait at the controller.
  Millis poll_wait{60'000};
  // Longest time of every other call.
  Millis call_timeout{10'000};
  // Until the controller names an interval.
  Millis heartbeat_interval{5'000};
  // Pauses between attempts while the controller is away.
  Millis first_retry{1'000};
  Millis longest_retry{10'000};
  // Where a signal ends all processes of a machine or a job, so much later than an evaluator's end ours may be.
  Millis drain_follows{3'000};
  // Longest time that the drain waits for the controller.
  Millis drain_timeout{8'000};
};

// Keeps `slots` evaluators busy, each on a thread of its own. While the controller is away, evaluations go on and
// results are kept. Run may be called once; Drain from any thread, at any time.
class Agent {
 public:
  Agent(AgentOptions options, std::unique_ptr<ControllerClient> client, EvaluatorFactory make_evaluator,
        WorkerMetrics& metrics);

  // Blocks until drained.
  void Run();

  // Makes Run stop asking for tasks, stop the evaluations, give their tasks back, deliver what is finished, and return;
  // all that within about 10 s after the evaluators have ended.
  void Drain();

 private:
  // A task that is ours until its result is taken, it is given back, or the controller wants it no more.
  struct Lease {
    v1::Task task;
    std::optional<v1::TaskProgress> progress;
    LearningCurve curve;
    std::stop_source stop;
    // Its key in leases_.
    std::string token;
    // Its completion is in unreported_.
    bool finished = false;
  };

  void PollLoop();
  void HeartbeatLoop();
  void ReportLoop();
  void SlotLoop(int slot);

  void Accept(const v1::LeaseTasksResponse& response);
  // True if the task is of a candidate that we have had all along, while the controller took us for lost: its
  // evaluation, or its result, stands for the new lease too.
  bool HeldAllAlong(const v1::Task& task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Follow(const v1::HeartbeatResponse& response);
  // False if something was left unanswered.
  bool Settle(const v1::CompleteTasksRequest& request, const v1::CompleteTasksResponse& response);
  EvaluationOutcome Evaluate(Evaluator& evaluator, const std::shared_ptr<Lease>& lease);
  void Finish(Lease& lease, const EvaluationOutcome& outcome);
  void Count(v1::Work work, const EvaluationOutcome& outcome, double seconds);

  // Stops the evaluations and puts their tasks, and those that wait for a slot, up for release.
  void StopEvaluations();
  void ReleaseAll(SteadyTime deadline);

  int FreeSlots() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::WorkerInfo Info() const;
  v1::HeartbeatRequest MakeHeartbeat();
  v1::CompleteTasksRequest NextBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Blocks until it holds a lease or is stopping.
  void AwaitLease();
  // Sleeps, until the flag that is named (draining_, stopping_, has_news_) is set at the latest.
  void PauseUnless(bool Agent::*flag, Millis pause);

  const AgentOptions options_;
  const std::unique_ptr<ControllerClient> client_;
  const EvaluatorFactory make_evaluator_;
  WorkerMetrics& metrics_;
  // Sets this process's request ids and pauses apart from all others'.
  const std::uint64_t nonce_;

  Mutex mutex_;
  // Something below has changed.
  CondVar changed_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  // The controller is not waited for any longer.
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // An epoch has ended of a task whose controller waits for that, or we are stopping: the next heartbeat is due.
  bool has_news_ ABSL_GUARDED_BY(mutex_) = false;
  // By token.
  std::map<std::string, std::shared_ptr<Lease>> leases_ ABSL_GUARDED_BY(mutex_);
  // Tokens of leases that no slot has taken yet.
  std::deque<std::string> waiting_ ABSL_GUARDED_BY(mutex_);
  int busy_slots_ ABSL_GUARDED_BY(mutex_) = 0;
  // In the order in which they finished; kept until the controller has answered.
  std::deque<v1::Completion> unreported_ ABSL_GUARDED_BY(mutex_);
  // Candidates of whose work the controller has taken the results, the latest last.
  std::deque<std::pair<std::string, v1::Work>> done_ ABSL_GUARDED_BY(mutex_);
  // Tokens to be given back.
  std::vector<std::string> released_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace layernas
