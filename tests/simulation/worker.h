// A worker of a simulated world: a real agent machine, its evaluators, and its connection to the controller.
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
  // All evaluations fail on it.
  bool is_bad = false;
  // Of an evaluation: that its evaluator crashes, hangs, answers with something unusable.
  double trouble = 0;
  // Evaluations take about so long.
  Millis pace{2'000};
};

// One process. It must outlive the timeline's events, dead or alive.
class Worker {
 public:
  Worker(std::uint64_t number, WorkerTraits traits, std::uint64_t seed, Timeline& timeline, Story& story,
         Network& network);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start();
  void Kill();
  void Drain();
  // Its evaluators are told to end by somebody else, as where a machine shuts down.
  void TellEvaluatorsToEnd();
  // From now on everything it does succeeds.
  void Heal();

  bool alive() const { return alive_; }
  // It takes tasks.
  bool serves() const { return alive_ && !is_draining_; }
  std::uint64_t number() const { return number_; }
  const WorkerTraits& traits() const { return traits_; }
  const std::map<std::string, std::string>& labels() const { return traits_.labels; }
  std::size_t busy_slots() const;
  SteadyTime started() const { return started_; }

 private:
  struct Slot {
    // Of the evaluation under way; 0: none.
    std::uint64_t evaluation = 0;
    std::shared_ptr<const v1::Task> task;
  };

  // Lets the machine have an event, and does what it wants done.
  void Step(const std::function<void(AgentMachine& machine)>& event);
  void Do(Action& action);
  void WakeUp();
  void Evaluate(int slot, std::shared_ptr<const v1::Task> task);
  void Progress(int slot, std::uint64_t evaluation, layernas::Progress progress);
  void End(int slot, std::uint64_t evaluation, EvaluationOutcome outcome);
  EvaluationOutcome OutcomeOf(const v1::Task& task);
  EvaluationOutcome UnusableOutcome(const v1::Task& task);
  // That what is reported is of the task that its lease was given for.
  void Check(const v1::Completion& completion);
  double RewardAt(const v1::Task& task, int epoch, int epochs) const;
  // The event, unless it has died by then.
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
  // The latest call for tasks but for that of the drain.
  std::uint64_t poll_ = 0;
  SteadyTime started_;
  std::optional<SteadyTime> wakes_at_;
  int idle_wakes_ = 0;
  SteadyTime last_wake_;
  std::vector<Slot> slots_;
  // By lease token, as they came from the controllers.
  std::map<std::string, v1::Task> granted_;
  std::uint64_t evaluations_ = 0;
};

}  // namespace layernas::simulation
