#include "worker/evaluator/exec_evaluator.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <thread>

#include "common/base/duration.h"
#include "common/base/status_macros.h"
#include "common/base/utf8.h"
#include "common/log/log.h"
#include "worker/evaluator/protocol.h"

namespace layernas {
namespace {

constexpr std::size_t kLongestLine = 1 << 20;
constexpr std::size_t kQuotedLineBytes = 200;
// The time between closing a child's input and killing the child.
constexpr Millis kEndGrace{1'000};
// The limits of one task's standard error in the worker's log.
constexpr int kMaxLoggedLines = 200;
constexpr std::size_t kMaxLoggedBytes = 64 << 10;
// The maximum number of dropped lines of one exchange that are logged.
constexpr int kMaxShownLines = 3;
// The maximum number of lines to read after the timeout: they may have arrived before it, while the
// worker was delayed.
constexpr int kMaxLateLines = 1'000;
// Anything unread before a request is sent does not belong to its answer. If a line is incomplete,
// the worker waits this long for its rest.
constexpr Millis kRestOfLine{20};
// The maximum number of lines that a child may write between two requests.
constexpr int kMaxStrayLines = 1'000;

Millis Left(SteadyTime deadline) {
  return std::max(Millis(0), std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now()));
}

std::string Shortened(const std::string& line) {
  return CutUtf8(line, kQuotedLineBytes) + (line.size() <= kQuotedLineBytes ? "" : "…");
}

// Returns false for other text, such as a banner or the output of a library.
bool LooksLikeMessage(const std::string& line) {
  const std::size_t begin = line.find_first_not_of(" \t\r");
  return begin != std::string::npos && line[begin] == '{';
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

EvaluationFailure EvaluatorFault(std::string message) {
  return {EvaluationFailure::Kind::kEvaluator, std::move(message)};
}

// Returns true for the signal itself, and for the exit code that shells and layernas-trainer use
// for it.
bool EndedBySigterm(const std::optional<ExitStatus>& exit) {
  return exit && (exit->signal == SIGTERM || exit->code == 128 + SIGTERM);
}

}  // namespace

struct ExecEvaluator::Exchange {
  std::string task;
  // The child has taken the whole request.
  bool asked = false;
  // The child has written a line that belongs to the task.
  bool spoke = false;
  // The child has written any line to standard output.
  bool wrote = false;
  // When the time was up, the last line had no line feed.
  bool has_partial_line = false;
  // The log says that a part of the progress was ignored.
  bool told_of_progress = false;
  int dropped = 0;
  std::string first_dropped;

  void Drop(const std::string& line, const char* why) {
    if (dropped == 0) first_dropped = Shortened(line);
    if (++dropped > kMaxShownLines) return;
    log::Warning(why, {{"task", task}, {"line", Shortened(line)}});
  }

  // Returns the part of a failure's message about dropped lines.
  std::string Dropped() const {
    if (dropped == 0) return "";
    return "; " + std::to_string(dropped) +
           (dropped == 1 ? " line on standard output was not an answer to this task: "
                         : " lines on standard output were not answers to this task, first: ") +
           first_dropped;
  }
};

ExecEvaluator::ExecEvaluator(ExecOptions options)
    : options_(std::move(options)), current_(std::make_shared<CurrentTask>()) {}

ExecEvaluator::~ExecEvaluator() {
  if (child_ != nullptr) EndChild(Fate::kEnd);
  TellLeftOut();
}

EvaluationOutcome ExecEvaluator::Evaluate(const Evaluation& evaluation, std::stop_token stop,
                                          const std::function<void(const Progress&)>& on_progress) {
  TellLeftOut();
  {
    MutexLock lock(current_->mutex);
    current_->name = evaluation.task;
    current_->lines = 0;
    current_->bytes = 0;
    // Output since the last task belongs to no task.
    current_->log.Take();
  }
  EvaluationOutcome outcome = EvaluateInChild(evaluation, std::move(stop), on_progress);
  if (child_ != nullptr) child_->AwaitStderr();
  TellLeftOut();
  MutexLock lock(current_->mutex);
  if (auto* result = std::get_if<EvaluationResult>(&outcome)) result->log = current_->log.Take();
  if (auto* failure = std::get_if<EvaluationFailure>(&outcome)) failure->log = current_->log.Take();
  return outcome;
}

EvaluationOutcome ExecEvaluator::EvaluateInChild(const Evaluation& evaluation, std::stop_token stop,
                                                 const std::function<void(const Progress&)>& on_progress) {
  TaskDeadline deadline(std::chrono::steady_clock::now(), evaluation.timeout, options_.longest_loading);
  DropUnusableChild();
  while (true) {
    const bool reused = child_ != nullptr;
    if (!reused) {
      if (absl::Status started = StartChild(); !started.ok()) return EvaluatorFault(Text(started));
    } else {
      // Standard error about another candidate does not explain a failure of this one.
      child_->ForgetStderr();
    }
    Answer answer;
    {
      // If the stop was requested before, this runs at once; Ask() then sees the child's end.
      const std::stop_callback end_on_stop(stop, [this] { child_->AskToEnd(options_.grace); });
      answer = Ask(evaluation, deadline, on_progress);
      AwaitEndAfterFailure(answer);
    }
    const bool stopped = stop.stop_requested();
    EndChild(stopped ? Fate::kKill : answer.fate);
    // Report a result even if a stop was requested meanwhile: the work is done. A failure may only
    // be the child's reaction to SIGTERM, so it says nothing about the candidate.
    if (stopped && !std::holds_alternative<EvaluationResult>(answer.outcome)) return EvaluationCancelled{};
    if (answer.retired && reused) {
      log::Info("the evaluator ended between two tasks; starting a new one", {{"task", evaluation.task}});
      continue;
    }
    return answer.outcome;
  }
}

void ExecEvaluator::AskKeptToEnd() {
  if (child_ != nullptr) child_->CloseInput();
}

void ExecEvaluator::EndKept(SteadyTime deadline) {
  if (child_ == nullptr) return;
  child_->Wait(Left(deadline));
  child_.reset();
}

void ExecEvaluator::AwaitEndAfterFailure(Answer& answer) {
  auto* failure = std::get_if<EvaluationFailure>(&answer.outcome);
  if (failure == nullptr || answer.fate == Fate::kKill) return;
  if (answer.fate == Fate::kEnd) child_->CloseInput();
  // Do not wait for a healthy child that finds architectures infeasible: it stays.
  const bool may_have_been_told = answer.fate == Fate::kEnd || failure->kind == EvaluationFailure::Kind::kEvaluator;
  failure->told_to_end = EndedBySigterm(child_->Wait(may_have_been_told ? kEndGrace : Millis(0)));
}

void ExecEvaluator::DropUnusableChild() {
  if (child_ == nullptr) return;
  // The child names tasks, so late lines do no harm. But a child that never stops writing is
  // useless.
  for (int lines = 0; lines < kMaxStrayLines; ++lines) {
    auto stray = child_->ReadLine(Millis(0), kLongestLine);
    if (absl::IsDeadlineExceeded(stray.status()) && child_->HasPartialLine()) {
      stray = child_->ReadLine(kRestOfLine, kLongestLine);
    }
    if (absl::IsDeadlineExceeded(stray.status())) {
      if (!child_->HasPartialLine()) return;
      // The next answer would be taken for the rest of this line.
      log::Warning("the evaluator left an incomplete line on standard output; starting a new one");
      EndChild(Fate::kEnd);
      return;
    }
    if (!stray.ok()) {
      log::Info("the evaluator ended; starting a new one", {{"reason", Text(stray.status())}});
      EndChild(Fate::kKill);
      return;
    }
    if (lines < kMaxShownLines) log::Warning("ignored a line written between two tasks", {{"line", Shortened(*stray)}});
  }
  log::Warning("the evaluator does not stop writing between two tasks; starting a new one");
  EndChild(Fate::kKill);
}

absl::Status ExecEvaluator::StartChild() {
  ChildOptions options;
  options.argv = options_.argv;
  options.environment = options_.environment;
  options.on_stderr_line = [current = current_](std::string_view line) {
    std::string task;
    {
      MutexLock lock(current->mutex);
      current->log.Add(line);
      if (current->lines == kMaxLoggedLines || current->bytes + line.size() > kMaxLoggedBytes) {
        current->lines = kMaxLoggedLines;
        ++current->left_out;
        return;
      }
      ++current->lines;
      current->bytes += line.size();
      task = current->name;
    }
    log::Info("evaluator", {{"task", task}, {"says", line}});
  };
  LAYERNAS_ASSIGN_OR_RETURN(child_, ChildProcess::Start(std::move(options)));
  child_names_tasks_ = false;
  child_wrote_ = false;
  return absl::OkStatus();
}

void ExecEvaluator::EndChild(Fate fate) {
  if (fate == Fate::kKeep) return;
  if (fate == Fate::kEnd) {
    child_->CloseInput();
    child_->Wait(kEndGrace);
  }
  child_.reset();
}

ExecEvaluator::Answer ExecEvaluator::Ask(const Evaluation& evaluation, TaskDeadline& deadline,
                                         const std::function<void(const Progress&)>& on_progress) {
  Exchange exchange;
  exchange.task = evaluation.task + "#" + std::to_string(++requests_);
  const std::string request = FormatEvaluatorRequest(exchange.task, evaluation);
  absl::Status sent = child_->WriteLine(request, Left(deadline.at()));
  if (!sent.ok()) return Broken(evaluation, sent, exchange);
  exchange.asked = true;
  int late_lines = 0;
  while (true) {
    auto line = child_->ReadLine(Left(deadline.at()), kLongestLine);
    if (!line.ok()) {
      exchange.has_partial_line = child_->HasPartialLine();
      return Broken(evaluation, line.status(), exchange);
    }
    // A byte order mark.
    if (!std::exchange(child_wrote_, true) && line->starts_with("\xef\xbb\xbf")) line->erase(0, 3);
    exchange.wrote = true;
    if (!LooksLikeMessage(*line)) {
      exchange.Drop(*line, "ignored a line of the evaluator that is not JSON");
    } else {
      EvaluatorAnswer answer = ParseEvaluatorAnswer(*line);
      if (answer.task && *answer.task != exchange.task) {
        exchange.Drop(*line, "ignored an answer of the evaluator to another task");
      } else if (answer.is_json && !answer.task && child_names_tasks_) {
        exchange.Drop(*line, "ignored an answer of the evaluator that does not name its task");
      } else if (!answer.task && !child_->HasReadOfLastLine()) {
        exchange.Drop(*line, "ignored an answer that the evaluator wrote before it read the request");
      } else if (absl::IsOutOfRange(answer.message.status())) {
        return {.outcome = EvaluatorFault(Text(answer.message.status()))};
      } else if (!answer.message.ok()) {
        return {.outcome = EvaluatorFault("the evaluator's answer breaks the protocol (" +
                                          Text(answer.message.status()) + "): " + Shortened(*line))};
      } else {
        exchange.spoke = true;
        // A result is the last message of its task, so its ignored metrics are logged even if
        // ignored progress has been.
        const bool is_result = std::holds_alternative<EvaluationResult>(*answer.message);
        if (!answer.left_out.empty() && (is_result || !std::exchange(exchange.told_of_progress, true))) {
          log::Warning("ignored unusable parts of an answer", {{"task", evaluation.task}, {"what", answer.left_out}});
        }
        if (std::holds_alternative<Loading>(*answer.message)) {
          deadline.Loads(std::chrono::steady_clock::now());
        } else if (const auto* progress = std::get_if<Progress>(&*answer.message)) {
          if (progress->epoch > 0) deadline.Trains();
          on_progress(*progress);
        } else {
          child_names_tasks_ = answer.task.has_value();
          const Fate fate = child_names_tasks_ ? Fate::kKeep : Fate::kEnd;
          if (auto* result = std::get_if<EvaluationResult>(&*answer.message)) {
            return {.outcome = std::move(*result), .fate = fate};
          }
          return {.outcome = std::get<EvaluationFailure>(*std::move(answer.message)), .fate = fate};
        }
      }
    }
    // A child that never stops writing gets no additional time.
    if (Left(deadline.at()) == Millis(0) && ++late_lines > kMaxLateLines)
      return Broken(evaluation, absl::DeadlineExceededError(""), exchange);
  }
}

ExecEvaluator::Answer ExecEvaluator::Broken(const Evaluation& evaluation, const absl::Status& status,
                                            const Exchange& exchange) {
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded: {
      child_->Terminate(options_.grace);
      std::string message = "no result within the timeout of " + FormatDuration(evaluation.timeout);
      if (!exchange.asked) {
        message += "; it does not read its standard input";
      } else if (exchange.has_partial_line) {
        message += "; the last line on standard output has no line feed at its end" + exchange.Dropped();
      } else {
        message += exchange.wrote ? exchange.Dropped() : "; no line on standard output: does a wrapper buffer it?";
      }
      message += "; ended";
      const std::string last_words = child_->LastStderr();
      if (!last_words.empty()) message += "; standard error ended with:\n" + last_words;
      return {.outcome = EvaluatorFault(std::move(message))};
    }
    case absl::StatusCode::kUnavailable: {
      const auto exit = child_->Wait(Millis(0));
      EvaluationFailure failure =
          EvaluatorFault("the evaluator ended without a result" + exchange.Dropped() + ": " + Text(status));
      failure.told_to_end = EndedBySigterm(exit);
      const bool retired = !exchange.spoke && ((exit && exit->ok()) || !child_->HasReadOfLastLine());
      return {.outcome = std::move(failure), .retired = retired};
    }
    default:
      return {.outcome = EvaluatorFault("the evaluator's answer breaks the protocol: " + Text(status))};
  }
}

void ExecEvaluator::TellLeftOut() {
  std::string task;
  int left_out = 0;
  {
    MutexLock lock(current_->mutex);
    task = current_->name;
    left_out = std::exchange(current_->left_out, 0);
  }
  if (left_out == 0) return;
  log::Info("evaluator", {{"task", task}, {"says", "… " + std::to_string(left_out) + " further lines omitted"}});
}

}  // namespace layernas
