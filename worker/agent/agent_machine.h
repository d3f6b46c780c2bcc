// The decisions of an agent, without threads, sockets and clocks.
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

// Keeps `slots` evaluations running. Events go in, actions come out, and time is an argument. While
// the controller is unreachable, evaluations continue and results are kept. Each lease ends in one
// completion, a release, or the controller's word that it is no longer wanted. No answer of the
// controller stops the machine from continuing with its other leases.
//
// After each event, carry out the actions that Take() returns. Call TimePassed() first, and again
// at each NextWakeup(). The machine ignores an answer if its `call` is no longer in progress. `now`
// must never decrease. Not thread-safe; does not block.
class AgentMachine {
 public:
  // The seed makes the machine's request ids, instance and pauses differ from those of all others.
  AgentMachine(AgentOptions options, std::uint64_t seed);

  void TimePassed(SteadyTime now);
  // The response is used only if the status is OK.
  void PollAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status,
                    const v1::LeaseTasksResponse& response);
  void HeartbeatAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status,
                         const v1::HeartbeatResponse& response);
  void CompletionsAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status,
                           const v1::CompleteTasksResponse& response);
  void ReleaseAnswered(SteadyTime now, std::uint64_t call, const absl::Status& status);
  // Ignored if the slot has no evaluation.
  void EvaluationProgressed(SteadyTime now, int slot, const Progress& progress);
  void EvaluationEnded(SteadyTime now, int slot, EvaluationOutcome outcome);
  // Stops requesting tasks, stops the evaluations, returns their tasks, delivers finished results,
  // says goodbye, and finishes. This takes at most drain_timeout after the evaluations have ended.
  void Drain(SteadyTime now);

  // Returns the actions that have been added since the last call, in order, and removes them.
  std::vector<Action> Take();
  // Returns SteadyTime::max() if only an event can lead to further actions.
  SteadyTime NextWakeup() const;
  bool finished() const { return finished_; }

 private:
  // The work that a task asks for. The same work under another lease token need not be repeated.
  struct Work {
    std::string identity;
    std::string architecture;
    std::uint32_t seed = 0;
    v1::Work part = v1::WORK_UNSPECIFIED;

    static Work Of(const v1::Task& task);
    bool operator==(const Work&) const = default;
  };
  // Work whose result the controller has accepted.
  struct Done {
    Work work;
    // Without its log, which is long and already delivered.
    v1::Completion completion;
  };
  // A task that this worker holds until the controller has its result, it is returned, or the
  // controller no longer wants it.
  struct Lease {
    std::shared_ptr<const v1::Task> task;
    // Its key in leases_. It changes if the controller leases the same work again.
    std::string token;
    std::optional<v1::TaskProgress> progress;
    LearningCurve curve;
    // The slot that evaluates it; -1: none.
    int slot = -1;
    // True: its completion is in unreported_.
    bool finished = false;
    // True: the controller refused its result; a failure is reported instead.
    bool substituted = false;
    // The number of answers that did not mention its completion.
    int silence = 0;
    // True: the controller has answered, but not about its completion. Polls no longer wait for it.
    bool passed_over = false;
    // True: a heartbeat with its progress was refused. The next ones omit the progress until there
    // is a new one.
    bool plain = false;
    // True: a heartbeat that reported only this lease was refused. It is sent separately from now
    // on.
    bool apart = false;
    // The number of the latest heartbeat call with its news, answered or not; 0: there was none.
    std::uint64_t told_in_call = 0;
  };
  struct Slot {
    // Null: the slot is free.
    std::shared_ptr<Lease> lease;
    SteadyTime started;
    // An outcome that counts as cancelled if a drain begins before held_until.
    std::optional<EvaluationOutcome> held_back;
    SteadyTime held_until;
    // True: its evaluation waits to have the machine to itself, or has it.
    bool wants_machine = false;
  };
  struct Polling {
    std::uint64_t call = 0;
    v1::LeaseTasksRequest request;
    // False: the controller may have given tasks in an answer that was lost.
    bool answered = true;
    // True: the last request was refused for good, so the next one requests only one task.
    bool is_modest = false;
    bool last_was_sent = false;
    SteadyTime sent;
    SteadyTime not_before = SteadyTime::min();
    std::uint64_t number = 0;
    rpc::Backoff backoff;
  };
  // A heartbeat call reports all leases. If their news is long, a cycle of several calls reports them;
  // each call also lists the other leases. After a refused call, the next calls of its cycle list
  // fewer leases, because the controller may refuse a lease itself.
  struct Beating {
    std::uint64_t call = 0;
    // Tokens that the call in progress reports, without those that it only lists.
    std::vector<std::string> sent;
    // The size of the news in this call.
    std::size_t sent_bytes = 0;
    bool in_cycle = false;
    bool refused_in_cycle = false;
    std::size_t told_in_cycle = 0;
    // Tokens that the cycle has not yet reported.
    std::deque<std::string> queue;
    std::size_t limit;
    // The maximum of news in a call, unless one lease has more.
    std::size_t max_bytes;
    // True: a task has ended an epoch that the controller waits for.
    bool has_news = false;
    // True: the last heartbeat reported no lease. Then polls show that the worker is alive, if
    // IsSeenByPolls().
    bool idle = false;
    Millis interval;
    SteadyTime due = SteadyTime::min();
    // When a heartbeat with news may be sent.
    SteadyTime news_due = SteadyTime::min();
    rpc::Backoff backoff;
  };
  struct Reporting {
    std::uint64_t call = 0;
    std::vector<std::string> sent;
    std::size_t limit;
    Millis timeout;
    // When the last call began.
    SteadyTime began;
    // True: the connection is too slow for the logs in the time that a drain has.
    bool without_logs = false;
    SteadyTime not_before = SteadyTime::min();
    rpc::Backoff backoff;
  };
  struct Releasing {
    std::uint64_t call = 0;
    std::vector<std::string> sent;
    // True: no further tasks are returned.
    bool said_goodbye = false;
    SteadyTime not_before = SteadyTime::min();
    rpc::Backoff backoff;
  };

  // Carries out everything that is due.
  void Advance(SteadyTime now);
  // Returns true if polls must wait. Otherwise the controller might lease a candidate again
  // although its result is on its way.
  bool ResultsComeFirst() const;
  static constexpr SteadyTime kNever = SteadyTime::max();

  // When each kind of call is due; kNever: not before some event.
  SteadyTime PollAt() const;
  SteadyTime HeartbeatAt() const;
  SteadyTime ReportAt() const;
  SteadyTime ReleaseAt() const;
  SteadyTime HeldBackAt() const;

  void Poll(SteadyTime now);
  // Returns true if the task must be evaluated.
  bool Accept(SteadyTime now, const v1::Task& task);
  // Adds the task to the leases.
  std::shared_ptr<Lease> Hold(SteadyTime now, const v1::Task& task);
  // Returns true if this worker still has the work, although the controller thought that it was
  // lost. Its evaluation or result then counts for the new lease too.
  bool HeldAllAlong(const v1::Task& task);
  // Returns true if the controller has already accepted the result of this work. The result is then
  // reported again under the new lease, because the controller may have been restored from an older
  // backup. If the answers only arrived in another order, the controller ignores the repeated
  // result.
  bool ReportAgain(SteadyTime now, const v1::Task& task);
  // Records the answer to a completed lease, for ReportAgain().
  void NoteDone(const Lease& lease, const v1::Completion& completion, bool accepted);
  void Rename(const std::shared_ptr<Lease>& lease, const std::string& token);

  // Returns true if polls show that the worker is alive, or it is about to leave.
  bool IsSeenByPolls() const;
  void Beat(SteadyTime now);
  // Lists, as tokens only, the leases that the cycle has already reported, that are new since it
  // began, or whose tasks are being returned. On a slow connection a cycle takes long, and the
  // controller considers leases that a heartbeat does not list as lost.
  void ListOthers(v1::HeartbeatRequest& request) const;
  void BeginCycle();
  void EndCycle(SteadyTime now);
  void FailCycle(SteadyTime now);
  void BeatRefused(const absl::Status& status);
  void ScheduleBeat(SteadyTime now);
  static v1::HeldLease Held(const Lease& lease);
  void Follow(const v1::HeartbeatResponse& response);

  void Report(SteadyTime now);
  // Returns false if the response lacks a verdict on a sent completion.
  bool Settle(const v1::CompleteTasksResponse& response);
  // Notes that the controller has answered, but without a verdict on these leases' completions.
  void PassOver(const std::vector<std::string>& tokens);
  // A call with results took too long: the connection may be slow. The next calls are smaller. A call
  // with one result gets more time; in a drain, which has no more time, it leaves out the log.
  void ReportedTooSlowly();
  void ReportRefused(const absl::Status& status);
  // Gives up on a completion; its lease expires.
  void DropCompletion(const Lease& lease, std::string_view message, std::string_view why);

  void Release(SteadyTime now);
  // Tells the controller that this worker leaves. The call is made once, and its answer is ignored:
  // older controllers refuse it.
  void SayGoodbye(SteadyTime now);
  SendRelease MakeRelease(SteadyTime now);
  // Gives up on returning tasks; their leases expire.
  void GiveUpRelease(std::string_view why);

  void StartWaiting(SteadyTime now);
  void FinishHeldBack(SteadyTime now);
  void End(SteadyTime now, Slot& slot, EvaluationOutcome outcome);
  bool IsHeld(const Lease& lease) const;
  bool HasEvaluations() const;
  // Returns true if no further task can arrive that would have to be returned.
  bool IsSettled() const;
  void CheckEnd(SteadyTime now);

  // Returns true if the controller would refuse the same call forever.
  static bool IsRefusedForGood(const absl::Status& status);
  // Returns true while an evaluation needs the machine to itself. Tasks that arrive then are
  // returned for other workers.
  bool IsReserved() const;
  int FreeSlots() const;
  v1::WorkerInfo Describe() const;
  // Returns the maximum time that a drain has left.
  Millis Left(SteadyTime now) const;
  void Info(std::string_view message, std::vector<log::Field> fields = {});
  void Warn(std::string_view message, std::vector<log::Field> fields = {});

  // The maximum of results or news in a call, unless a single one is larger. Far below the maximum
  // size of a message.
  static constexpr std::size_t kBatchBytes = 1 << 20;
  // During a drain: the timeout of a call, unless it reports one result, and the pause after a failed
  // one.
  static constexpr Millis kDrainCall{2'000};
  static constexpr Millis kDrainRetry{200};

  const AgentOptions options_;
  const std::string instance_;

  std::vector<Action> actions_;
  std::uint64_t calls_ = 0;
  bool draining_ = false;
  bool finished_ = false;
  // When a drain gives up; set once no evaluation and no poll is in progress.
  std::optional<SteadyTime> deadline_;

  // By lease token.
  std::map<std::string, std::shared_ptr<Lease>> leases_;
  // Tokens of leases that no slot has started yet.
  std::deque<std::string> waiting_;
  std::vector<Slot> slots_;
  // In the order in which they finished. A completion is removed when the controller has answered
  // it.
  std::deque<v1::Completion> unreported_;
  // The latest is last.
  std::deque<Done> done_;
  // Tokens of tasks to return.
  std::vector<std::string> released_;

  Polling polling_;
  Beating beating_;
  Reporting reporting_;
  Releasing releasing_;
};

}  // namespace layernas
