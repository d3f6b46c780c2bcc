// Evaluations that ran out of memory beside others get the machine for themselves before they are given up.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <stop_token>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"
#include "worker/evaluator/evaluator.h"

namespace layernas {

// Who evaluates on this machine: several at a time, or one alone, who goes before those that come later. Thread-safe.
class SharedMachine {
 public:
  enum class Company { kOthers, kAlone };

  // Waits until there is room for one more of that kind, or the stop is asked for: then it returns false, and nothing
  // was taken.
  bool Enter(Company company, std::stop_token stop);
  void Leave(Company company);
  // Whether someone waits to be alone.
  bool IsWanted();

  // Evaluators that may keep something between evaluations; none is destroyed before its Remove.
  void Add(Evaluator& evaluator);
  void Remove(Evaluator& evaluator);
  // For the one who is alone: ends what all evaluators keep, also its own. Takes about a second at most.
  void EndKept();

 private:
  bool HasRoom(Company company) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar changed_;
  int inside_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_one_alone_ ABSL_GUARDED_BY(mutex_) = false;
  int waiting_to_be_alone_ ABSL_GUARDED_BY(mutex_) = 0;

  // Apart from mutex_, which nobody holds for long.
  Mutex evaluators_mutex_;
  std::set<Evaluator*> evaluators_ ABSL_GUARDED_BY(evaluators_mutex_);
};

// Passes evaluations on to another evaluator. What ends for want of memory is tried once more, alone on the machine,
// where nothing is kept from other evaluations, its own first try included; if that ends so too, it is infeasible.
class MemoryRetryEvaluator : public Evaluator {
 public:
  // `machine` is shared by all evaluators of the worker.
  MemoryRetryEvaluator(std::unique_ptr<Evaluator> evaluator, std::shared_ptr<SharedMachine> machine);
  ~MemoryRetryEvaluator() override;

  // As Evaluator has it, but up to twice as long, and the time that it waits for others.
  EvaluationOutcome Evaluate(const Evaluation& evaluation, std::stop_token stop,
                             const std::function<void(const Progress&)>& on_progress) override;

 private:
  EvaluationOutcome EvaluateIn(SharedMachine::Company company, const Evaluation& evaluation, std::stop_token stop,
                               const std::function<void(const Progress&)>& on_progress);

  const std::unique_ptr<Evaluator> evaluator_;
  const std::shared_ptr<SharedMachine> machine_;
};

}  // namespace layernas
