// Retries an evaluation that ran out of memory when it has the machine to itself.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <stop_token>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

// Decides who may evaluate on this machine: several at a time, or one alone. One that waits to be
// alone goes before those that come later. Thread-safe.
class SharedMachine {
 public:
  enum class Company { kOthers, kAlone };

  // Waits until there is room for one more of that kind. Returns false, and enters nothing, if the
  // stop is requested first.
  bool Enter(Company company, std::stop_token stop);
  void Leave(Company company);
  // Returns true if someone waits to be alone.
  bool IsWanted();

  // Registers evaluators that may keep something between evaluations. An evaluator must be removed
  // before it is destroyed.
  void Add(Evaluator& evaluator);
  void Remove(Evaluator& evaluator);
  // Ends what all evaluators keep, including the caller's. Only the one who is alone may call this.
  // Takes at most about a second.
  void EndKept();

 private:
  bool HasRoom(Company company) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  int inside_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_one_alone_ ABSL_GUARDED_BY(mutex_) = false;
  int waiting_to_be_alone_ ABSL_GUARDED_BY(mutex_) = 0;

  // Separate from mutex_, which nobody holds for long.
  Mutex evaluators_mutex_;
  std::set<Evaluator*> evaluators_ ABSL_GUARDED_BY(evaluators_mutex_);
};

// Passes evaluations on to another evaluator. An evaluation that runs out of memory is retried
// once, alone on the machine. Before that, the memory that evaluators keep is freed, also that of
// the first attempt. If the retry runs out of memory too, the candidate is infeasible.
class MemoryRetryEvaluator : public Evaluator {
 public:
  // All evaluators of the worker share `machine`.
  MemoryRetryEvaluator(std::unique_ptr<Evaluator> evaluator, std::shared_ptr<SharedMachine> machine);
  ~MemoryRetryEvaluator() override;

  // See Evaluator. May take twice as long, and additionally waits for others.
  EvaluationOutcome Evaluate(const Evaluation& evaluation, std::stop_token stop,
                             const std::function<void(const Progress&)>& on_progress) override;

 private:
  EvaluationOutcome EvaluateIn(SharedMachine::Company company, const Evaluation& evaluation, std::stop_token stop,
                               const std::function<void(const Progress&)>& on_progress);

  const std::unique_ptr<Evaluator> evaluator_;
  const std::shared_ptr<SharedMachine> machine_;
};

}  // namespace layernas
