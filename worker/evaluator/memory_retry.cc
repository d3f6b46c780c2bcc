#include "worker/evaluator/memory_retry.h"

#include <utility>

#include "common/log/log.h"

namespace layernas {
namespace {

// The time between asking a kept process to end and killing it.
constexpr Millis kKeptEndGrace{1'000};

bool WantsMemory(const EvaluationOutcome& outcome) {
  const auto* failure = std::get_if<EvaluationFailure>(&outcome);
  return failure != nullptr && failure->kind == EvaluationFailure::Kind::kOutOfMemory;
}

}  // namespace

bool SharedMachine::Enter(Company company, std::stop_token stop) {
  const std::stop_callback wake(stop, [this] {
    // Take the lock, so that a waiter that has just checked for the stop does not miss the wake-up.
    MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  MutexLock lock(mutex_);
  const bool alone = company == Company::kAlone;
  waiting_to_be_alone_ += alone ? 1 : 0;
  while (!HasRoom(company) && !stop.stop_requested()) changed_.Wait(mutex_);
  waiting_to_be_alone_ -= alone ? 1 : 0;
  if (!HasRoom(company)) {
    // Others may have waited for this one.
    changed_.NotifyAll();
    return false;
  }
  ++inside_;
  is_one_alone_ = alone;
  return true;
}

void SharedMachine::Leave(Company company) {
  MutexLock lock(mutex_);
  --inside_;
  if (company == Company::kAlone) is_one_alone_ = false;
  changed_.NotifyAll();
}

bool SharedMachine::IsWanted() {
  MutexLock lock(mutex_);
  return waiting_to_be_alone_ > 0;
}

void SharedMachine::Add(Evaluator& evaluator) {
  MutexLock lock(evaluators_mutex_);
  evaluators_.insert(&evaluator);
}

void SharedMachine::Remove(Evaluator& evaluator) {
  MutexLock lock(evaluators_mutex_);
  evaluators_.erase(&evaluator);
}

void SharedMachine::EndKept() {
  MutexLock lock(evaluators_mutex_);
  for (Evaluator* const evaluator : evaluators_) evaluator->AskKeptToEnd();
  // One deadline for all.
  const SteadyTime deadline = std::chrono::steady_clock::now() + kKeptEndGrace;
  for (Evaluator* const evaluator : evaluators_) evaluator->EndKept(deadline);
}

bool SharedMachine::HasRoom(Company company) const {
  if (company == Company::kAlone) return inside_ == 0;
  return !is_one_alone_ && waiting_to_be_alone_ == 0;
}

MemoryRetryEvaluator::MemoryRetryEvaluator(std::unique_ptr<Evaluator> evaluator, std::shared_ptr<SharedMachine> machine)
    : evaluator_(std::move(evaluator)), machine_(std::move(machine)) {
  machine_->Add(*evaluator_);
}

MemoryRetryEvaluator::~MemoryRetryEvaluator() { machine_->Remove(*evaluator_); }

EvaluationOutcome MemoryRetryEvaluator::Evaluate(const Evaluation& evaluation, std::stop_token stop,
                                                 const std::function<void(const Progress&)>& on_progress) {
  EvaluationOutcome outcome = EvaluateIn(SharedMachine::Company::kOthers, evaluation, stop, on_progress);
  if (!WantsMemory(outcome)) return outcome;
  log::Warning("out of memory; retrying alone on the machine",
               {{"task", evaluation.task}, {"says", std::get<EvaluationFailure>(outcome).message}});
  on_progress(Progress{.begins_again = true, .wants_machine = true});
  outcome = EvaluateIn(SharedMachine::Company::kAlone, evaluation, stop, on_progress);
  if (WantsMemory(outcome)) {
    auto& failure = std::get<EvaluationFailure>(outcome);
    failure.kind = failure.of_data ? EvaluationFailure::Kind::kEvaluator : EvaluationFailure::Kind::kInfeasible;
    failure.message.insert(0, "also failed alone on its machine: ");
  }
  return outcome;
}

EvaluationOutcome MemoryRetryEvaluator::EvaluateIn(SharedMachine::Company company, const Evaluation& evaluation,
                                                   std::stop_token stop,
                                                   const std::function<void(const Progress&)>& on_progress) {
  if (!machine_->Enter(company, stop)) return EvaluationCancelled{};
  if (company == SharedMachine::Company::kAlone) machine_->EndKept();
  EvaluationOutcome outcome = evaluator_->Evaluate(evaluation, stop, on_progress);
  machine_->Leave(company);
  return outcome;
}

}  // namespace layernas
