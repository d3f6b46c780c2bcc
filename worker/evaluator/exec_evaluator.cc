#include "worker/evaluator/exec_evaluator.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <thread>

#include "common/base/duration.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "worker/evaluator/protocol.h"

namespace layernas {
namespace {

constexpr std::size_t kLongestLine = 1 << 20;
constexpr std::size_t kQuotedBytes = 200;
// A child that is told to end by closing its input gets this long before it is killed.
constexpr Millis kEndGrace{1'000};

Millis Left(SteadyTime deadline) {
  return std::max(Millis(0), std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now()));
}

std::string Shortened(const std::string& line) {
  return line.size() <= kQuotedBytes ? line : line.substr(0, kQuotedBytes) + "…";
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

EvaluationFailure EvaluatorFault(std::string message) {
  return {EvaluationFailure::Kind::kEvaluator, std::move(message)};
}

// Ends a child while its owner still listens to it.
class GentleEnd {
 public:
  GentleEnd(ChildProcess& child, Millis grace) : child_(child), grace_(grace) {}
  // The owner has seen the end, or an answer.
  ~GentleEnd() {
    {
      MutexLock lock(mutex_);
      over_ = true;
    }
    changed_.NotifyAll();
  }

  // SIGTERM, and SIGKILL after the grace. Returns at once; to be called once.
  void Begin() {
    child_.AskToEnd();
    killer_ = std::jthread([this] {
      const SteadyTime deadline = std::chrono::steady_clock::now() + grace_;
      MutexLock lock(mutex_);
      while (!over_ && Left(deadline) > Millis(0)) changed_.WaitFor(mutex_, Left(deadline));
      if (!over_) child_.Kill();
    });
  }

 private:
  ChildProcess& child_;
  const Millis grace_;
  Mutex mutex_;
  CondVar changed_;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread killer_;
};

}  // namespace

ExecEvaluator::ExecEvaluator(ExecOptions options)
    : options_(std::move(options)), current_(std::make_shared<CurrentTask>()) {}

ExecEvaluator::~ExecEvaluator() {
  if (child_ == nullptr) return;
  child_->CloseInput();
  child_->Wait(kEndGrace);
}

EvaluationOutcome ExecEvaluator::Evaluate(const Evaluation& evaluation, std::stop_token stop,
                                          const std::function<void(const Progress&)>& on_progress) {
  {
    MutexLock lock(current_->mutex);
    current_->name = evaluation.task;
    // What was said since the last task is no one's.
    current_->log.Take();
  }
  EvaluationOutcome outcome = EvaluateInChild(evaluation, std::move(stop), on_progress);
  if (child_ != nullptr) child_->AwaitStderr();
  MutexLock lock(current_->mutex);
  if (auto* result = std::get_if<EvaluationResult>(&outcome)) result->log = current_->log.Take();
  if (auto* failure = std::get_if<EvaluationFailure>(&outcome)) failure->log = current_->log.Take();
  return outcome;
}

EvaluationOutcome ExecEvaluator::EvaluateInChild(const Evaluation& evaluation, std::stop_token stop,
                                                 const std::function<void(const Progress&)>& on_progress) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + evaluation.timeout;
  DropUnusableChild();
  while (true) {
    const bool reused = child_ != nullptr;
    if (!reused) {
      if (absl::Status started = StartChild(); !started.ok()) return EvaluatorFault(Text(started));
    } else {
      // What it said about another candidate is no reason for the failure of this one.
      child_->ForgetStderr();
    }
    Answer answer;
    {
      GentleEnd end(*child_, options_.grace);
      // Runs at once where the stop was asked for before; the reader then sees the child's end.
      std::stop_callback end_on_stop(stop, [&end] { end.Begin(); });
      answer = Ask(evaluation, deadline, on_progress);
    }
    // A finished evaluation is told even when the stop came while it finished: the work was done.
    const bool stopped = stop.stop_requested();
    if (!answer.keep_child || stopped) child_.reset();
    if (stopped && !answer.keep_child) return EvaluationCancelled{};
    if (answer.retired && reused) continue;
    return answer.outcome;
  }
}

void ExecEvaluator::DropUnusableChild() {
  if (child_ == nullptr) return;
  // Only unasked-for words can be there now, and they would be taken for the answer to the next request.
  const auto stray = child_->ReadLine(Millis(0), kLongestLine);
  if (stray.status().code() == absl::StatusCode::kDeadlineExceeded) return;
  if (stray.ok()) {
    log::Warning("the evaluator spoke unasked; starting a new one", {{"line", Shortened(*stray)}});
  } else {
    log::Info("the evaluator has ended; starting a new one", {{"reason", Text(stray.status())}});
  }
  child_.reset();
}

absl::Status ExecEvaluator::StartChild() {
  ChildOptions options;
  options.argv = options_.argv;
  options.environment = options_.environment;
  options.on_stderr_line = [current = current_](std::string_view line) {
    std::string task;
    {
      MutexLock lock(current->mutex);
      task = current->name;
      current->log.Add(line);
    }
    log::Info("evaluator", {{"task", task}, {"says", line}});
  };
  LAYERNAS_ASSIGN_OR_RETURN(child_, ChildProcess::Start(std::move(options)));
  return absl::OkStatus();
}

ExecEvaluator::Answer ExecEvaluator::Ask(const Evaluation& evaluation, SteadyTime deadline,
                                         const std::function<void(const Progress&)>& on_progress) {
  if (absl::Status sent = child_->WriteLine(evaluation.request, Left(deadline)); !sent.ok()) {
    return Broken(evaluation, sent, /*spoke=*/false);
  }
  for (bool spoke = false; true; spoke = true) {
    const auto line = child_->ReadLine(Left(deadline), kLongestLine);
    if (!line.ok()) return Broken(evaluation, line.status(), spoke);
    auto message = ParseEvaluatorMessage(*line);
    if (!message.ok()) {
      return {.outcome = EvaluatorFault("the evaluator's answer is not the protocol's (" + Text(message.status()) +
                                        "): " + Shortened(*line))};
    }
    if (const auto* progress = std::get_if<Progress>(&*message)) {
      on_progress(*progress);
      // A child that only ever reports progress gets no further than any other.
      if (Left(deadline) == Millis(0)) return Broken(evaluation, absl::DeadlineExceededError(""), spoke);
    } else if (auto* result = std::get_if<EvaluationResult>(&*message)) {
      return {.outcome = std::move(*result), .keep_child = true};
    } else {
      return {.outcome = std::get<EvaluationFailure>(std::move(*message)), .keep_child = true};
    }
  }
}

ExecEvaluator::Answer ExecEvaluator::Broken(const Evaluation& evaluation, const absl::Status& status, bool spoke) {
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded: {
      child_->Terminate(options_.grace);
      std::string message = "no result within the time-out of " + FormatDuration(evaluation.timeout) + "; ended";
      const std::string last_words = child_->LastStderr();
      if (!last_words.empty()) message += "; standard error ended with:\n" + last_words;
      return {.outcome = EvaluatorFault(std::move(message))};
    }
    case absl::StatusCode::kUnavailable: {
      const auto exit = child_->Wait(Millis(0));
      EvaluationFailure failure = EvaluatorFault("the evaluator ended without a result: " + Text(status));
      // By the signal itself, or as shells and layernas-trainer say it.
      failure.told_to_end = exit && (exit->signal == SIGTERM || exit->code == 128 + SIGTERM);
      return {.outcome = std::move(failure), .retired = !spoke && exit && exit->ok()};
    }
    default:
      return {.outcome = EvaluatorFault("the evaluator's answer is not the protocol's: " + Text(status))};
  }
}

}  // namespace layernas
