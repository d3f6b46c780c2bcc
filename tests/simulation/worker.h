// A worker of a simulated world: a real agent machine, its evaluators, and its connection to the
// controller.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/controller.h"
#include "tests/simulation/network.h"
#include "worker/agent/agent_machine.h"

namespace layernas::simulation {

struct WorkerTraits {
  std::string id;
  std::map<std::string, std::string> labels;
  int slots = 1;
  // True: all its evaluations fail.
  bool is_bad = false;
  // The probability that an evaluator crashes, hangs, or gives an unusable answer.
  double trouble = 0;
  // The approximate duration of evaluations.
  Millis pace{2'000};
};

// One process. It must outlive the timeline's events, even when it is dead.
class Worker {
 public:
  Worker(std::uint64_t number, WorkerTraits traits, std::uint64_t seed, Timeline& timeline, Story& story,
         Network& network);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start();
  void Kill();
  void Drain();
  // Someone else tells its evaluators to end, as when a machine shuts down.
  void TellEvaluatorsToEnd();
  // From now on, all its evaluations succeed.
  void Heal();

  bool alive() const { return alive_; }
  // Returns true if it takes tasks.
  bool serves() const { return alive_ && !is_draining_; }
  std::uint64_t number() const { return number_; }
  const WorkerTraits& traits() const { return traits_; }
  const std::map<std::string, std::string>& labels() const { return traits_.labels; }
  std::size_t busy_slots() const;
  SteadyTime started() const { return started_; }

 private:
  struct Slot {
    // The running evaluation; 0: none.
    std::uint64_t evaluation = 0;
    std::shared_ptr<const v1::Task> task;
  };

  // Passes an event to the machine, and then carries out its actions.
  void Step(const std::function<void(AgentMachine& machine)>& event);
  void Do(Action& action);
  void WakeUp();
  void Evaluate(int slot, std::shared_ptr<const v1::Task> task);
  void Progress(int slot, std::uint64_t evaluation, layernas::Progress progress);
  void End(int slot, std::uint64_t evaluation, EvaluationOutcome outcome);
  EvaluationOutcome OutcomeOf(const v1::Task& task);
  EvaluationOutcome UnusableOutcome(const v1::Task& task);
  // Checks that the report belongs to the task of its lease.
  void Check(const v1::Completion& completion);
  double RewardAt(const v1::Task& task, int epoch, int epochs) const;
  // Runs the event, unless the worker has died by then.
  void After(Millis delay, std::function<void()> event);

  const std::uint64_t number_;
  WorkerTraits traits_;
  Draw draw_;
  Timeline& timeline_;
  Story& story_;
  Network& network_;
  AgentMachine machine_;
  bool alive_ = false;
  bool is_draining_ = false;
  // The latest poll, except for that of the drain.
  std::uint64_t poll_ = 0;
  SteadyTime started_;
  std::optional<SteadyTime> wakes_at_;
  int idle_wakes_ = 0;
  SteadyTime last_wake_;
  std::vector<Slot> slots_;
  // By lease token, as the controllers sent them.
  std::map<std::string, v1::Task> granted_;
  std::uint64_t evaluations_ = 0;
};

}  // namespace layernas::simulation
