// Evaluates with a child process that speaks the evaluator protocol, so that a crash takes a child and not the worker.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/process/child_process.h"
#include "worker/evaluator/evaluator.h"
#include "worker/evaluator/log_tail.h"

namespace layernas {

struct ExecOptions {
  // The program and its arguments.
  std::vector<std::string> argv;
  // Laid over the worker's environment.
  std::vector<std::pair<std::string, std::string>> environment;
  // How long a child that is to end has for it after SIGTERM, so that it can keep what it has done, before it is
  // killed.
  Millis grace{5'000};
};

// The child is started with the first evaluation and kept for the next ones. It is ended, with its whole process group,
// and replaced at the next evaluation after a time-out, a stop (after both with the grace, which Evaluate then takes at
// most in addition) or an answer that is not the protocol's; replaced too when it has ended. Its standard error goes to
// the log, with the task's name, and with the outcome.
class ExecEvaluator final : public Evaluator {
 public:
  explicit ExecEvaluator(ExecOptions options);
  // Ends the child.
  ~ExecEvaluator() override;

  EvaluationOutcome Evaluate(const Evaluation& evaluation, std::stop_token stop,
                             const std::function<void(const Progress&)>& on_progress) override;

 private:
  // Whom the child's standard error is about; shared with its reader.
  struct CurrentTask {
    Mutex mutex;
    std::string name ABSL_GUARDED_BY(mutex);
    LogTail log ABSL_GUARDED_BY(mutex);
  };

  // What an exchange with a child came to, and whether the child can be used again.
  struct Answer {
    EvaluationOutcome outcome;
    bool keep_child = false;
    // It ended properly before it said anything: it may be made for one request each.
    bool retired = false;
  };

  EvaluationOutcome EvaluateInChild(const Evaluation& evaluation, std::stop_token stop,
                                    const std::function<void(const Progress&)>& on_progress);
  void DropUnusableChild();
  absl::Status StartChild();
  Answer Ask(const Evaluation& evaluation, SteadyTime deadline,
             const std::function<void(const Progress&)>& on_progress);
  Answer Broken(const Evaluation& evaluation, const absl::Status& status, bool spoke);

  const ExecOptions options_;
  const std::shared_ptr<CurrentTask> current_;
  std::unique_ptr<ChildProcess> child_;
};

}  // namespace layernas
