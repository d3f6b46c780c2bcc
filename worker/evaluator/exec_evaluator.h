// Evaluates with a child process that speaks the evaluator protocol, so that a crash takes a child and not the worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/process/child_process.h"
#include "worker/evaluator/evaluator.h"
#include "worker/evaluator/log_tail.h"
#include "worker/evaluator/task_deadline.h"

namespace layernas {

struct ExecOptions {
  // The program and its arguments.
  std::vector<std::string> argv;
  // Laid over the worker's environment.
  std::vector<std::pair<std::string, std::string>> environment;
  // How long a child that is to end has for it after SIGTERM, so that it can keep what it has done, before it is
  // killed.
  Millis grace{5'000};
  // Longest time that a child may load data for one task; only tests change it.
  Millis longest_loading{24 * 3'600'000};
};

// The child is started with the first evaluation and kept for the next ones as long as its answers repeat the request's
// task, by which a late line of one task is told from the answer to the next. A child that does not repeat it is ended
// after each answer: its input is closed, and a second later it is killed. It is also ended, with its whole process
// group, and replaced at the next evaluation after a time-out, a stop (after both with the grace, which Evaluate then
// takes at most in addition) or an answer that is not the protocol's; replaced too when it has ended, or has left part
// of a line between two requests.
//
// The time-out does not count while the child says that it loads data (task_deadline.h).
//
// These lines are dropped with a warning: one for another task; one without a task, of a child that has named tasks,
// whatever else is wrong with it; one without a task that was written before the child read anything of the request;
// and one that does not begin with "{", such as a banner. A line that begins so and is not JSON is a failure.
//
// After a stop only a result counts; any other answer is EvaluationCancelled.
//
// The child's standard error goes to the log, with the task's name, at most 200 lines and 64 KiB per task; its tail
// goes with the outcome.
class ExecEvaluator final : public Evaluator {
 public:
  explicit ExecEvaluator(ExecOptions options);
  // Ends the child.
  ~ExecEvaluator() override;

  EvaluationOutcome Evaluate(const Evaluation& evaluation, std::stop_token stop,
                             const std::function<void(const Progress&)>& on_progress) override;

  // Of the child: closes its input, and kills it at the deadline.
  void AskKeptToEnd() override;
  void EndKept(SteadyTime deadline) override;

 private:
  // Whom the child's standard error is about; shared with its reader.
  struct CurrentTask {
    Mutex mutex;
    std::string name ABSL_GUARDED_BY(mutex);
    LogTail log ABSL_GUARDED_BY(mutex);
    // Written to our log of this task.
    int lines ABSL_GUARDED_BY(mutex) = 0;
    std::size_t bytes ABSL_GUARDED_BY(mutex) = 0;
    // Not written to our log, and not yet told.
    int left_out ABSL_GUARDED_BY(mutex) = 0;
  };

  enum class Fate {
    // Kept for the next request.
    kKeep,
    // Its input is closed, and it is killed if it does not end soon.
    kEnd,
    kKill,
  };

  // What an exchange with a child led to.
  struct Answer {
    EvaluationOutcome outcome;
    Fate fate = Fate::kKill;
    // It ended properly before it said anything: it may be made for one request each. Or it ended, in whatever way,
    // before it read anything of the request.
    bool retired = false;
  };

  // What a child has said to one request so far.
  struct Exchange;

  EvaluationOutcome EvaluateInChild(const Evaluation& evaluation, std::stop_token stop,
                                    const std::function<void(const Progress&)>& on_progress);
  // A child that ends right after its failure may have been told to end by somebody else; sets told_to_end. Takes up
  // to a second if the child stays.
  void AwaitEndAfterFailure(Answer& answer);
  void DropUnusableChild();
  absl::Status StartChild();
  void EndChild(Fate fate);
  Answer Ask(const Evaluation& evaluation, TaskDeadline& deadline,
             const std::function<void(const Progress&)>& on_progress);
  Answer Broken(const Evaluation& evaluation, const absl::Status& status, const Exchange& exchange);
  // Says how many lines of standard error were left out of the log since the last call.
  void TellLeftOut();

  const ExecOptions options_;
  const std::shared_ptr<CurrentTask> current_;
  std::unique_ptr<ChildProcess> child_;
  // The child has repeated the task in an answer: a line of it that does not is not an answer.
  bool child_names_tasks_ = false;
  // Requests so far; sets their tasks apart.
  std::uint64_t requests_ = 0;
};

}  // namespace layernas
