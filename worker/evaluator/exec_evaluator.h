// An evaluator that runs a child process with the evaluator protocol. A crash ends the child, not
// the worker.
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
  // Overrides variables of the worker's environment.
  std::vector<std::pair<std::string, std::string>> environment;
  // How long a child that must end may take after SIGTERM before it is killed, for example to save
  // its work.
  Millis grace{5'000};
  // The maximum time that a child may load data for one task. Only tests change it.
  Millis longest_loading{24 * 3'600'000};
};

// The first evaluation starts the child. The child is kept for the next evaluations as long as its
// answers repeat the request's task. That is how the worker distinguishes a late line of one task
// from the answer to the next. If a child does not repeat the task, it is ended after each answer:
// its input is closed, and a second later it is killed.
//
// The child is also ended, with its whole process group, and replaced at the next evaluation, after
// a timeout, a stop, or an answer that breaks the protocol. After a timeout or a stop it gets the
// grace to end, so Evaluate() takes at most that much longer. A child is also replaced if it has
// ended, or has left an incomplete line between two requests.
//
// The time in which the child says that it loads data does not count for the timeout (see
// task_deadline.h).
//
// The following lines are dropped with a warning:
// - a line for another task;
// - a line without a task, however malformed, of a child that has named tasks;
// - a line without a task that was written before the child read any part of the request;
// - a line that does not begin with "{", such as a banner.
// A line that begins with "{" but is not JSON is a failure.
//
// After a stop only a result counts; any other answer becomes EvaluationCancelled.
//
// The child's standard error goes to the log with the task's name, at most 200 lines and 64 KiB per
// task. Its tail goes into the outcome.
class ExecEvaluator final : public Evaluator {
 public:
  explicit ExecEvaluator(ExecOptions options);
  // Ends the child.
  ~ExecEvaluator() override;

  EvaluationOutcome Evaluate(const Evaluation& evaluation, std::stop_token stop,
                             const std::function<void(const Progress&)>& on_progress) override;

  // AskKeptToEnd() closes the child's input, and EndKept() kills it at the deadline.
  void AskKeptToEnd() override;
  void EndKept(SteadyTime deadline) override;

 private:
  // The task that the child's standard error belongs to; shared with the thread that reads it.
  struct CurrentTask {
    Mutex mutex;
    std::string name ABSL_GUARDED_BY(mutex);
    LogTail log ABSL_GUARDED_BY(mutex);
    // How much of the task's standard error is in the worker's log.
    int lines ABSL_GUARDED_BY(mutex) = 0;
    std::size_t bytes ABSL_GUARDED_BY(mutex) = 0;
    // Lines that are not in the log, and not yet mentioned there.
    int left_out ABSL_GUARDED_BY(mutex) = 0;
  };

  enum class Fate {
    // The child is kept for the next request.
    kKeep,
    // Its input is closed, and it is killed if it does not end soon.
    kEnd,
    kKill,
  };

  // The result of an exchange with a child.
  struct Answer {
    EvaluationOutcome outcome;
    Fate fate = Fate::kKill;
    // True: the child ended before it answered this request, so a new one should get it. Either it
    // ended properly (some programs end after each request), or it had read nothing of the request.
    bool retired = false;
  };

  // What a child has written in response to one request so far.
  struct Exchange;

  EvaluationOutcome EvaluateInChild(const Evaluation& evaluation, std::stop_token stop,
                                    const std::function<void(const Progress&)>& on_progress);
  // Sets told_to_end if the child ends right after its failure because someone else sent it
  // SIGTERM. Takes up to a second if the child stays.
  void AwaitEndAfterFailure(Answer& answer);
  void DropUnusableChild();
  absl::Status StartChild();
  void EndChild(Fate fate);
  Answer Ask(const Evaluation& evaluation, TaskDeadline& deadline,
             const std::function<void(const Progress&)>& on_progress);
  Answer Broken(const Evaluation& evaluation, const absl::Status& status, const Exchange& exchange);
  // Logs how many lines of standard error were omitted from the log since the last call.
  void TellLeftOut();

  const ExecOptions options_;
  const std::shared_ptr<CurrentTask> current_;
  std::unique_ptr<ChildProcess> child_;
  // True: the child has repeated the task in an answer. A line without its task is then not an
  // answer.
  bool child_names_tasks_ = false;
  // The child has written a line to standard output.
  bool child_wrote_ = false;
  // The number of requests so far; it makes their tasks unique.
  std::uint64_t requests_ = 0;
};

}  // namespace layernas
