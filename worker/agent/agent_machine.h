// What an agent does next, without threads, sockets and clocks.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/rpc/backoff.h"
#include "layernas/v1/worker_service.pb.h"
#include "worker/agent/agent_action.h"
#include "worker/agent/agent_options.h"
#include "worker/agent/convert.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

// Keeps `slots` evaluations under way: events go in, actions come out, and time is an argument. While the controller is
// away, evaluations go on and results are kept. Each lease ends in one completion, a release, or a word of the
// controller that it is not wanted any more; no answer keeps the machine from going on with the rest.
//
// After each event, carry out what Take() returns. Call TimePassed() to begin with, and again at NextWakeup(). An
// answer whose `call` is not under way any more is ignored. Time must not go back. Not thread-safe; does not block.
class AgentMachine {
 public:
  // The seed sets the machine's request ids, instance and pauses apart from all others'.
  AgentMachine(AgentOptions options, std::uint64_t seed);

  void TimePassed(SteadyTime now);
  // The response counts only with an OK status.
  void PollAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status,
                    const v1::LeaseTasksResponse& response);
  void HeartbeatAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status,
                         const v1::HeartbeatResponse& response);
  void CompletionsAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status,
                           const v1::CompleteTasksResponse& response);
  void ReleaseAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status);
  // Of a slot that has no evaluation: ignored.
  void EvaluationProgressed(SteadyTime now, int slot, const Progress& progress);
  void EvaluationEnded(SteadyTime now, int slot, EvaluationOutcome outcome);
  // Stop asking for tasks, stop the evaluations, give their tasks back, deliver what is finished, say goodbye, and
  // finish; within drain_timeout after the evaluations have ended.
  void Drain(SteadyTime now);

  // Moves out what is to be done since the last call, in order.
  std::vector<Action> Take();
  // SteadyTime::max() if only an event can bring something to do.
  SteadyTime NextWakeup() const;
  bool finished() const { return finished_; }

 private:
  // What a task asks for. The same work under another lease token need not be done twice.
  struct Work {
    std::string identity;
    std::string architecture;
    std::uint32_t seed = 0;
    v1::Work part = v1::WORK_UNSPECIFIED;

    static Work Of(const v1::Task& task);
    bool operator==(const Work&) const = default;
  };
  // Work of which the controller has taken the result.
  struct Done {
    Work work;
    // Without its log, which is long and has been delivered.
    v1::Completion completion;
  };
  // A task that is ours until its result is taken, it is given back, or the controller wants it no more.
  struct Lease {
    std::shared_ptr<const v1::Task> task;
    // Its key in leases_; a new one where the controller leased the same work again.
    std::string token;
    std::optional<v1::TaskProgress> progress;
    LearningCurve curve;
    // Where it is evaluated; -1: nowhere.
    int slot = -1;
    // Its completion is in unreported_.
    bool finished = false;
    // The controller refused its result, and is given a failure instead.
    bool substituted = false;
    // Answers that said nothing of its completion.
    int silence = 0;
    // The controller has answered, but not on its completion. Polls do not wait for it any more.
    bool passed_over = false;
    // A heartbeat with its progress was refused: sent without it until there is new progress.
    bool plain = false;
    // A heartbeat with no other lease's news was refused: sent apart from the others.
    bool apart = false;
  };
  struct Slot {
    // Null: free.
    std::shared_ptr<Lease> lease;
    SteadyTime started;
    // An outcome that counts as cancelled if the drain comes before the time.
    std::optional<EvaluationOutcome> held_back;
    SteadyTime held_until;
    // Its evaluation waits for the machine to itself, or has it.
    bool wants_machine = false;
  };
  struct Polling {
    std::uint64_t call = 0;
    v1::LeaseTasksRequest request;
    // False: the controller may have given us tasks in an answer that was lost.
    bool answered = true;
    // The last request was refused for good: the next one asks for one task only.
    bool is_modest = false;
    bool last_was_sent = false;
    SteadyTime sent;
    SteadyTime not_before = SteadyTime::min();
    std::uint64_t number = 0;
    rpc::Backoff backoff;
  };
  // All leases are told in one call, or in a cycle of several where their news are long or one was refused. Each call
  // lists the others too.
  struct Beating {
    std::uint64_t call = 0;
    // Tokens in the call under way, without those that it only lists.
    std::vector<std::string> sent;
    bool in_cycle = false;
    bool refused_in_cycle = false;
    std::size_t told_in_cycle = 0;
    // Tokens that the cycle has still to tell.
    std::deque<std::string> queue;
    std::size_t limit;
    // Tasks have come to an end of an epoch that the controller waits for.
    bool has_news = false;
    // The last heartbeat told of no lease: polls say that we are there.
    bool idle = false;
    Millis interval;
    SteadyTime due = SteadyTime::min();
    // News wait for it.
    SteadyTime news_due = SteadyTime::min();
    rpc::Backoff backoff;
  };
  struct Reporting {
    std::uint64_t call = 0;
    std::vector<std::string> sent;
    std::size_t limit;
    SteadyTime not_before = SteadyTime::min();
    rpc::Backoff backoff;
  };
  struct Releasing {
    std::uint64_t call = 0;
    std::vector<std::string> sent;
    // Nothing is given back any more.
    bool said_goodbye = false;
    SteadyTime not_before = SteadyTime::min();
    rpc::Backoff backoff;
  };

  // Does what is due.
  void Advance(SteadyTime now);
  // True if polls have to wait: the controller might hand a candidate out whose result is on its way.
  bool ResultsComeFirst() const;
  static constexpr SteadyTime kNever = SteadyTime::max();

  // When each is due; kNever: not before some event.
  SteadyTime PollAt() const;
  SteadyTime HeartbeatAt() const;
  SteadyTime ReportAt() const;
  SteadyTime ReleaseAt() const;
  SteadyTime HeldBackAt() const;

  void Poll(SteadyTime now);
  // True if there is something new to evaluate.
  bool Accept(SteadyTime now, const v1::Task& task);
  // Makes the task ours.
  std::shared_ptr<Lease> Hold(SteadyTime now, const v1::Task& task);
  // True if it is work that we have had all along, while the controller took us for lost: its evaluation, or its
  // result, stands for the new lease too.
  bool HeldAllAlong(const v1::Task& task);
  // True if the controller has taken the result of this work before. The result is reported again under the new lease:
  // the controller may have gone back to an older copy of its data. If the answers only overtook each other, it ignores
  // the repeated result.
  bool ReportAgain(SteadyTime now, const v1::Task& task);
  // Notes what became of a completed lease, for ReportAgain.
  void NoteDone(const Lease& lease, const v1::Completion& completion, bool accepted);
  void Rename(const std::shared_ptr<Lease>& lease, const std::string& token);

  void Beat(SteadyTime now);
  // Adds what the cycle has told, and what is new since it began, as bare tokens: the controller takes what a heartbeat
  // does not list for lost, and on a slow line a cycle takes long.
  void ListOthers(v1::HeartbeatRequest& request) const;
  void BeginCycle();
  void EndCycle(SteadyTime now);
  void FailCycle(SteadyTime now);
  void BeatRefused(const absl::Status& status);
  void ScheduleBeat(SteadyTime now);
  static v1::HeldLease Held(const Lease& lease);
  void Follow(const v1::HeartbeatResponse& response);

  void Report(SteadyTime now);
  // False if something was left unanswered.
  bool Settle(const v1::CompleteTasksResponse& response);
  // The controller has answered on none of these leases' completions.
  void PassOver(const std::vector<std::string>& tokens);
  void ReportRefused(const absl::Status& status);
  // Its lease is left to expire.
  void DropCompletion(const Lease& lease, std::string_view message, std::string_view why);

  void Release(SteadyTime now);
  // Tells the controller that we leave; one attempt, and no answer matters. Controllers that know no goodbye refuse it.
  void SayGoodbye(SteadyTime now);
  SendRelease MakeRelease(SteadyTime now);
  // Leaves what is to be given back to its expiry.
  void GiveUpRelease(std::string_view why);

  void StartWaiting(SteadyTime now);
  void FinishHeldBack(SteadyTime now);
  void End(SteadyTime now, Slot& slot, EvaluationOutcome outcome);
  bool IsHeld(const Lease& lease) const;
  bool HasEvaluations() const;
  // Nothing can come to be given back any more.
  bool IsSettled() const;
  void CheckEnd(SteadyTime now);

  // True if the same call would be refused for ever.
  static bool IsRefusedForGood(const absl::Status& status);
  // True while no evaluation could begin: tasks of this time are for other workers.
  bool IsReserved() const;
  int FreeSlots() const;
  v1::WorkerInfo Describe() const;
  Millis Left(SteadyTime now) const;
  void Info(std::string_view message, std::vector<log::Field> fields = {});
  void Warn(std::string_view message, std::vector<log::Field> fields = {});

  // In the drain: the longest time of a call, and the pause after one that failed.
  static constexpr Millis kDrainCall{2'000};
  static constexpr Millis kDrainRetry{200};

  const AgentOptions options_;
  const std::string instance_;

  std::vector<Action> actions_;
  std::uint64_t calls_ = 0;
  bool draining_ = false;
  bool finished_ = false;
  // Of the drain, once nothing is under way any more.
  std::optional<SteadyTime> deadline_;

  // By token.
  std::map<std::string, std::shared_ptr<Lease>> leases_;
  // Tokens of leases that no slot has taken yet.
  std::deque<std::string> waiting_;
  std::vector<Slot> slots_;
  // In the order in which they finished; kept until the controller has answered.
  std::deque<v1::Completion> unreported_;
  // The latest last.
  std::deque<Done> done_;
  // Tokens to be given back.
  std::vector<std::string> released_;

  Polling polling_;
  Beating beating_;
  Reporting reporting_;
  Releasing releasing_;
};

}  // namespace layernas
