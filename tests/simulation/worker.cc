#include "tests/simulation/worker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/truth.h"
#include "worker/evaluator/protocol.h"

namespace layernas::simulation {
namespace {

constexpr int kEpochs = 4;
// The reward in results that are unusable, for this or another reason.
constexpr double kUnusableReward = 0.5;
constexpr double kUnusableCost = 1;
// The number of wake-ups at one moment that counts as an endless loop.
constexpr int kMaxIdleWakes = 1'000;

AgentOptions OptionsOf(const WorkerTraits& traits) {
  AgentOptions options;
  options.worker_id = traits.id;
  options.labels = traits.labels;
  options.slots = traits.slots;
  options.poll_wait = Millis{20'000};
  return options;
}

std::uint64_t EvaluatorOf(const v1::Task& task) { return static_cast<std::uint64_t>(task.network().classes()); }

// Parses an evaluator's line as its worker does.
EvaluationOutcome Read(const std::string& line) {
  const EvaluatorAnswer answer = ParseEvaluatorAnswer(line);
  if (!answer.message.ok()) return EvaluationFailure{.message = std::string(answer.message.status().message())};
  if (const auto* result = std::get_if<EvaluationResult>(&*answer.message)) return *result;
  if (const auto* failure = std::get_if<EvaluationFailure>(&*answer.message)) return *failure;
  return EvaluationFailure{.message = "it ended after a progress"};
}

}  // namespace

Worker::Worker(std::uint64_t number, WorkerTraits traits, std::uint64_t seed, Timeline& timeline, Story& story,
               Network& network)
    : number_(number),
      traits_(std::move(traits)),
      draw_({seed, 0x30, number}),
      timeline_(timeline),
      story_(story),
      network_(network),
      machine_(OptionsOf(traits_), MixKey({seed, number})),
      slots_(static_cast<std::size_t>(traits_.slots)) {}

void Worker::After(Millis delay, std::function<void()> event) {
  timeline_.After(delay, [this, event = std::move(event)] {
    if (alive_) event();
  });
}

void Worker::Start() {
  alive_ = true;
  is_draining_ = false;
  started_ = timeline_.Now();
  story_.Tell("worker ", number_, " (", traits_.id, "): starts, ", traits_.slots, " slots",
              traits_.is_bad ? ", bad" : "");
  Step([this](AgentMachine& machine) { machine.TimePassed(timeline_.Now()); });
}

void Worker::Kill() {
  if (!alive_) return;
  story_.Tell("worker ", number_, ": dies");
  alive_ = false;
  network_.CutPollsOff(number_);
}

void Worker::Drain() {
  if (!alive_) return;
  story_.Tell("worker ", number_, ": drains");
  is_draining_ = true;
  Step([this](AgentMachine& machine) { machine.Drain(timeline_.Now()); });
}

void Worker::TellEvaluatorsToEnd() {
  for (int slot = 0; alive_ && slot < traits_.slots; ++slot) {
    if (slots_[slot].evaluation == 0) continue;
    End(slot, slots_[slot].evaluation, EvaluationFailure{.message = "killed by signal 15", .told_to_end = true});
  }
}

void Worker::Heal() {
  traits_.is_bad = false;
  traits_.trouble = 0;
}

std::size_t Worker::busy_slots() const {
  return std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.evaluation != 0; });
}

void Worker::Step(const std::function<void(AgentMachine& machine)>& event) {
  if (!alive_) return;
  event(machine_);
  for (Action& action : machine_.Take()) Do(action);
  if (machine_.finished()) {
    Kill();
    return;
  }
  const SteadyTime next = machine_.NextWakeup();
  if (next == SteadyTime::max() || (wakes_at_ && *wakes_at_ <= next)) return;
  wakes_at_ = std::max(next, timeline_.Now());
  timeline_.At(next, [this, at = *wakes_at_] {
    if (wakes_at_ != at || !alive_) return;
    WakeUp();
  });
}

void Worker::WakeUp() {
  wakes_at_.reset();
  idle_wakes_ = last_wake_ == timeline_.Now() ? idle_wakes_ + 1 : 0;
  last_wake_ = timeline_.Now();
  if (idle_wakes_ > kMaxIdleWakes) {
    story_.Find("liveness", absl::StrCat("worker ", number_, " is woken again and again for nothing"));
    return;
  }
  Step([this](AgentMachine& machine) { machine.TimePassed(timeline_.Now()); });
}

void Worker::Do(Action& action) {
  if (auto* poll = std::get_if<SendPoll>(&action)) {
    if (!poll->is_last) poll_ = poll->call;
    network_.LeaseTasks(number_, poll->request, poll->timeout,
                        [this, call = poll->call](const absl::Status& status, const v1::LeaseTasksResponse& response) {
                          for (const v1::Task& task : response.tasks()) granted_[task.lease_token()] = task;
                          Step([&](AgentMachine& m) { m.PollAnswered(timeline_.Now(), call, status, response); });
                        });
  } else if (auto* beat = std::get_if<SendHeartbeat>(&action)) {
    network_.Heartbeat(number_, beat->request, beat->timeout,
                       [this, call = beat->call](const absl::Status& status, const v1::HeartbeatResponse& response) {
                         Step([&](AgentMachine& m) { m.HeartbeatAnswered(timeline_.Now(), call, status, response); });
                       });
  } else if (auto* done = std::get_if<SendCompletions>(&action)) {
    for (const v1::Completion& completion : done->request.completions()) Check(completion);
    network_.CompleteTasks(
        number_, done->request, done->timeout,
        [this, call = done->call](const absl::Status& status, const v1::CompleteTasksResponse& response) {
          Step([&](AgentMachine& m) { m.CompletionsAnswered(timeline_.Now(), call, status, response); });
        });
  } else if (auto* release = std::get_if<SendRelease>(&action)) {
    network_.ReleaseTasks(number_, release->request, release->timeout,
                          [this, call = release->call](const absl::Status& status, const v1::ReleaseTasksResponse&) {
                            Step([&](AgentMachine& m) { m.ReleaseAnswered(timeline_.Now(), call, status); });
                          });
  } else if (std::holds_alternative<CutPollsOff>(action)) {
    network_.CutPollsOff(number_);
    After(draw_.Time(Millis{0}, Millis{5}), [this, call = poll_] {
      Step([&](AgentMachine& m) { m.PollAnswered(timeline_.Now(), call, absl::CancelledError("cut off"), {}); });
    });
  } else if (auto* start = std::get_if<StartEvaluation>(&action)) {
    Evaluate(start->slot, start->task);
  } else if (const auto* stop = std::get_if<StopEvaluation>(&action)) {
    // It may end by itself before it notices the stop.
    After(draw_.Time(Millis{0}, Millis{300}), [this, slot = stop->slot, evaluation = slots_[stop->slot].evaluation] {
      if (evaluation != 0) End(slot, evaluation, EvaluationCancelled());
    });
  }
}

void Worker::Check(const v1::Completion& completion) {
  const auto granted = granted_.find(completion.lease_token());
  if (granted == granted_.end() || !completion.has_result()) return;
  const v1::Task& task = granted->second;
  const std::string& architecture = task.architecture().id();
  const auto find = [this, &completion, &task](const char* what) {
    story_.Find("truth", absl::StrCat("worker ", number_, " reports ", what, " of ", completion.architecture(),
                                      " under the lease of ", task.candidate(), ", ", task.architecture().id()));
  };
  const auto& metrics = completion.result().metrics();
  const auto value = [&metrics](const char* name) -> std::optional<double> {
    const auto metric = metrics.find(name);
    if (metric == metrics.end()) return std::nullopt;
    return metric->second;
  };
  const std::optional<double> reward = value(kReward);
  const std::optional<double> cost = value(kCost);
  const auto is_other = [](const std::optional<double>& seen, double right, double unusable) {
    return seen && std::isfinite(*seen) && *seen != right && *seen != unusable;
  };
  if (completion.architecture() != architecture) return find("a result");
  if (is_other(reward, RewardOf(EvaluatorOf(task), architecture, task.seed()), kUnusableReward)) {
    return find("another's reward");
  }
  if (is_other(cost, CostOf(EvaluatorOf(task), architecture), kUnusableCost)) return find("another's cost");
  if (task.work() == v1::WORK_TRAIN && cost && !reward) return find("a measurement");
  if (task.work() == v1::WORK_MEASURE && reward && !cost) return find("a training");
}

void Worker::Evaluate(int slot, std::shared_ptr<const v1::Task> task) {
  if (slots_[slot].evaluation != 0) {
    story_.Find("liveness", absl::StrCat("worker ", number_, " is given two evaluations for slot ", slot));
    return;
  }
  const std::uint64_t evaluation = ++evaluations_;
  slots_[slot] = {evaluation, task};
  story_.Tell("worker ", number_, ": evaluates ", task->candidate(), " ", task->architecture().id(), " as ",
              task->lease_token());
  const Millis timeout{task->timeout().seconds() * 1000};
  if (!traits_.is_bad && draw_.Chance(traits_.trouble * 0.3)) {
    After(timeout,
          [this, slot, evaluation] { End(slot, evaluation, EvaluationFailure{.message = "it took too long"}); });
    return;
  }
  const Millis whole = traits_.is_bad ? draw_.Time(Millis{1}, Millis{200})
                                      : std::min(timeout, draw_.Time(traits_.pace / 4, traits_.pace * 2));
  if (task->work() != v1::WORK_MEASURE && (task->report_epochs() || draw_.Chance(0.2))) {
    for (int epoch = 1; epoch <= kEpochs; ++epoch) {
      layernas::Progress progress{epoch, kEpochs, RewardAt(*task, epoch, kEpochs)};
      if (draw_.Chance(traits_.trouble * 0.3)) progress.reward = draw_.Chance(0.5) ? -1e39 : 1e300;
      if (draw_.Chance(traits_.trouble * 0.2)) progress.epoch = draw_.Between(-3, 100);
      After(whole * epoch / (kEpochs + 1),
            [this, slot, evaluation, progress] { Progress(slot, evaluation, progress); });
    }
  }
  After(whole, [this, slot, evaluation, task] { End(slot, evaluation, OutcomeOf(*task)); });
}

double Worker::RewardAt(const v1::Task& task, int epoch, int epochs) const {
  return RewardOf(EvaluatorOf(task), task.architecture().id(), task.seed()) * (epoch + 1) / (epochs + 1);
}

void Worker::Progress(int slot, std::uint64_t evaluation, layernas::Progress progress) {
  if (slots_[slot].evaluation != evaluation) return;
  Step([&](AgentMachine& m) { m.EvaluationProgressed(timeline_.Now(), slot, progress); });
}

void Worker::End(int slot, std::uint64_t evaluation, EvaluationOutcome outcome) {
  if (slots_[slot].evaluation != evaluation) return;
  const auto* failure = std::get_if<EvaluationFailure>(&outcome);
  story_.Tell("worker ", number_, ": has evaluated ", slots_[slot].task->candidate(), ": ",
              failure != nullptr                                  ? failure->message
              : std::holds_alternative<EvaluationResult>(outcome) ? "result"
                                                                  : "cancelled");
  slots_[slot] = {};
  Step([&](AgentMachine& m) { m.EvaluationEnded(timeline_.Now(), slot, std::move(outcome)); });
}

EvaluationOutcome Worker::OutcomeOf(const v1::Task& task) {
  if (traits_.is_bad) return EvaluationFailure{.message = "the GPU is broken"};
  if (draw_.Chance(traits_.trouble)) return UnusableOutcome(task);
  const std::uint64_t evaluator = EvaluatorOf(task);
  const std::string& architecture = task.architecture().id();
  if (IsInfeasible(evaluator, architecture)) {
    return EvaluationFailure{.kind = EvaluationFailure::Kind::kInfeasible, .message = "it does not fit"};
  }
  EvaluationResult result;
  if (task.work() != v1::WORK_TRAIN) result.metrics[kCost] = CostOf(evaluator, architecture);
  if (task.work() != v1::WORK_MEASURE) {
    result.metrics[kReward] = RewardOf(evaluator, architecture, task.seed());
    result.metrics[kSeed] = task.seed();
  }
  return result;
}

EvaluationOutcome Worker::UnusableOutcome(const v1::Task& task) {
  EvaluationResult result({{kReward, kUnusableReward}, {kSeed, 1.0}, {kCost, kUnusableCost}});
  switch (draw_.Between(0, 7)) {
    case 0:
      for (int i = 0; i < 300; ++i) result.metrics[absl::StrCat("class_", i)] = i;
      return result;
    case 1:
      result.metrics[std::string(101, 'x')] = 1;
      return result;
    case 2:
      result.metrics.clear();
      result.metrics["other"] = 1;
      return result;
    case 3:
      result.metrics[task.work() == v1::WORK_MEASURE ? kCost : kReward] = std::numeric_limits<double>::infinity();
      return result;
    case 4:
      return Read("{\"result\": {\"metrics\": {\"accuracy\": \"much\"}}}");
    case 5:
      return Read("\xff\xfe rubbish");
    case 6:
      return Read("{\"failure\": {\"kind\": \"retry\", \"message\": \"again\"}}");
    default:
      return EvaluationFailure{.message = "the evaluator ended with exit code 1"};
  }
}

}  // namespace layernas::simulation
