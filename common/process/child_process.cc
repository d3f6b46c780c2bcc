#include "common/process/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <set>
#include <system_error>

#include "common/base/status_macros.h"
#include "common/process/guardian.h"
#include "common/process/session.h"
#include "common/process/spawn.h"

namespace layernas {
namespace {

using process_internal::MakePipe;
using process_internal::Pipe;

constexpr std::size_t kLongestStderrLine = 8 << 10;
constexpr std::size_t kKeptStderrLines = 20;
constexpr std::size_t kKeptStderrBytes = 4 << 10;
constexpr std::size_t kQuotedBytes = 200;
// How often to check the child while a pipe is used. A process outside of its session may keep the
// pipe open after the child's end, and may be silent or never stop writing.
constexpr Millis kLookInterval{100};
// Maximum bytes of output to read before the program has taken a whole line of input.
constexpr std::size_t kMaxPendingBytes = 8 << 20;
// How long to wait for the last output of a dead child.
constexpr Millis kLastWords{500};
// A killed process can hang in the kernel. After this time it is abandoned.
constexpr Millis kKillTimeout{10'000};

void SetNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

Millis Left(SteadyTime deadline) {
  const auto left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now());
  return std::max(left, Millis(0));
}

// All existing children.
struct Children {
  Mutex mutex;
  std::set<ChildProcess*> all ABSL_GUARDED_BY(mutex);
};

// Never destroyed, because children may outlive static objects.
Children& AllChildren() {
  static Children* const children = new Children;
  return *children;
}

// How the child has ended. It is checked without reaping the child, because until then nobody else
// gets its process id and session id.
enum class End { kNone, kSeen, kTakenByAnother };

End LookForEnd(pid_t pid) {
  siginfo_t info = {};
  if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    return errno == ECHILD ? End::kTakenByAnother : End::kNone;
  }
  return info.si_pid == pid ? End::kSeen : End::kNone;
}

// Returns true if the descriptor has an event, including an error, within the timeout.
bool Poll(int fd, short events, Millis timeout) {
  pollfd wait{fd, events, 0};
  return poll(&wait, 1, static_cast<int>(timeout.count())) > 0;
}

}  // namespace

std::string ExitStatus::ToString() const {
  if (signal == 0) return code == kUnknown ? "unknown exit code" : "exit code " + std::to_string(code);
  const char* name = sigabbrev_np(signal);
  std::string text = "killed by signal " + std::to_string(signal);
  if (name != nullptr) text += std::string(" (SIG") + name + ")";
  return text;
}

absl::Status CheckProgram(const std::string& program) { return process_internal::FindProgram(program).status(); }

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(ChildOptions options) {
  static std::once_flag prepare_signals;
  std::call_once(prepare_signals, [] {
    signal(SIGPIPE, SIG_IGN);
    // This process may have inherited an ignored SIGCHLD. Then the kernel would not keep the exit
    // statuses of its children.
    signal(SIGCHLD, SIG_DFL);
  });

  LAYERNAS_ASSIGN_OR_RETURN(Pipe error, MakePipe());
  LAYERNAS_ASSIGN_OR_RETURN(Pipe wake, MakePipe());
  Pipe input;
  Pipe output;
  if (options.pipes) {
    LAYERNAS_ASSIGN_OR_RETURN(input, MakePipe());
    LAYERNAS_ASSIGN_OR_RETURN(output, MakePipe());
    SetNonBlocking(input.write.get());
    SetNonBlocking(output.read.get());
  } else {
    input.read = Fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  SetNonBlocking(error.read.get());
  const std::string program = options.argv.empty() ? "" : options.argv.front();
  LAYERNAS_ASSIGN_OR_RETURN(const pid_t pid,
                            process_internal::Spawn({.argv = std::move(options.argv),
                                                     .environment = std::move(options.environment),
                                                     .input = input.read.get(),
                                                     .output = options.pipes ? output.write.get() : error.write.get(),
                                                     .error = error.write.get(),
                                                     .own_session = options.own_session}));
  std::unique_ptr<ChildProcess> child(new ChildProcess(pid, std::move(input.write), std::move(output.read),
                                                       std::move(error.read), std::move(wake.write),
                                                       std::move(options.on_stderr_line)));
  try {
    child->stderr_reader_ =
        std::thread([raw = child.get(), wake_fd = std::move(wake.read)] { raw->ReadStderr(wake_fd.get()); });
  } catch (const std::system_error& failure) {
    return absl::ResourceExhaustedError("cannot start " + program + ": " + failure.code().message());
  }
  return child;
}

ChildProcess::ChildProcess(pid_t pid, Fd input, Fd output, Fd error, Fd wake_reader,
                           std::function<void(std::string_view)> sink)
    : pid_(pid),
      sink_(std::move(sink)),
      input_(std::move(input)),
      output_(std::move(output)),
      error_(std::move(error)),
      wake_reader_(std::move(wake_reader)) {
  Children& children = AllChildren();
  MutexLock lock(children.mutex);
  children.all.insert(this);
}

void ChildProcess::KillAll() {
  Children& children = AllChildren();
  MutexLock lock(children.mutex);
  for (ChildProcess* const child : children.all) child->Kill();
}

ChildProcess::~ChildProcess() {
  {
    Children& children = AllChildren();
    MutexLock lock(children.mutex);
    children.all.erase(this);
  }
  Kill();
  Wait(kKillTimeout);
  // If the thread could not be started, there is no reader.
  if (!stderr_reader_.joinable()) return;
  {
    // Output before the child's end should still be logged.
    MutexLock lock(mutex_);
    AwaitLastWords();
  }
  wake_reader_.Close();
  stderr_reader_.join();
}

absl::Status ChildProcess::WriteLine(std::string_view line, Millis timeout) {
  if (!input_.valid()) return absl::FailedPreconditionError("the program's input is closed");
  const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
  std::string text(line);
  text += '\n';
  std::string_view rest = text;
  last_line_bytes_ = 0;
  while (!rest.empty()) {
    if (HasEnded()) return Ended();
    const ssize_t count = write(input_.get(), rest.data(), rest.size());
    if (count >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(count));
      last_line_bytes_ += static_cast<std::size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Ended();
    if (Left(deadline) == Millis(0)) return absl::DeadlineExceededError("the program does not read its input");
    // A program that first writes more than a pipe holds reads only after somebody has read that.
    const bool reads = output_.valid() && !output_ended_ && pending_.size() < kMaxPendingBytes;
    if (reads && TakeSome()) continue;
    std::array<pollfd, 2> wait{{{input_.get(), POLLOUT, 0}, {reads ? output_.get() : -1, POLLIN, 0}}};
    poll(wait.data(), wait.size(), static_cast<int>(std::min(Left(deadline), kLookInterval).count()));
  }
  return absl::OkStatus();
}

bool ChildProcess::HasReadOfLastLine() const {
  int unread = 0;
  if (!input_.valid() || ioctl(input_.get(), FIONREAD, &unread) != 0) return true;
  return static_cast<std::size_t>(unread) < last_line_bytes_;
}

absl::StatusOr<std::string> ChildProcess::ReadLine(Millis timeout, std::size_t max_bytes) {
  if (!output_.valid()) return absl::FailedPreconditionError("the program's output is not a pipe");
  const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
  std::size_t searched = 0;
  while (true) {
    const std::size_t line_end = pending_.find('\n', searched);
    if (std::min(line_end, pending_.size()) > max_bytes) {
      return absl::ResourceExhaustedError("a line is longer than " + std::to_string(max_bytes) +
                                          " bytes; it starts with: " + pending_.substr(0, kQuotedBytes));
    }
    if (line_end != std::string::npos) {
      std::string line = pending_.substr(0, line_end);
      pending_.erase(0, line_end + 1);
      return line;
    }
    searched = pending_.size();
    if (output_ended_) {
      if (pending_.empty()) return Ended();
      return std::exchange(pending_, std::string());
    }
    if (HasEnded()) {
      TakeRest();
      continue;
    }
    if (TakeSome()) continue;
    if (Left(deadline) == Millis(0)) {
      return absl::DeadlineExceededError("no line within " + std::to_string(timeout.count()) + " ms");
    }
    Poll(output_.get(), POLLIN, std::min(Left(deadline), kLookInterval));
  }
}

bool ChildProcess::TakeSome() {
  std::array<char, 16 << 10> buffer;
  const ssize_t count = read(output_.get(), buffer.data(), buffer.size());
  if (count > 0) {
    pending_.append(buffer.data(), static_cast<std::size_t>(count));
    return true;
  }
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  output_ended_ = true;
  return true;
}

bool ChildProcess::HasEnded() {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (now - looked_ < kLookInterval) return false;
  looked_ = now;
  return Wait(Millis(0)).has_value();
}

void ChildProcess::TakeRest() {
  output_ended_ = true;
  int unread = 0;
  if (ioctl(output_.get(), FIONREAD, &unread) != 0) return;
  const std::size_t before = pending_.size();
  pending_.resize(before + static_cast<std::size_t>(unread));
  const ssize_t count = read(output_.get(), pending_.data() + before, static_cast<std::size_t>(unread));
  pending_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
}

void ChildProcess::CloseInput() { input_.Close(); }

std::optional<ExitStatus> ChildProcess::Wait(Millis timeout) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
  for (Millis pause{1}; true; pause = std::min(pause * 2, Millis(50))) {
    if (const std::optional<ExitStatus> exit = Look()) return exit;
    if (Left(deadline) == Millis(0)) return std::nullopt;
    std::this_thread::sleep_for(std::min(pause, Left(deadline)));
  }
}

std::optional<ExitStatus> ChildProcess::Look() {
  {
    MutexLock lock(mutex_);
    if (exit_) return exit_;
    if (kill_at_ && std::chrono::steady_clock::now() >= *kill_at_) {
      kill_at_.reset();
      SignalLocked(SIGKILL);
    }
  }
  const End end = LookForEnd(pid_);
  if (end == End::kNone) return std::nullopt;
  // Without the mutex, so that no thread that sends a signal has to wait.
  if (end == End::kSeen) process_internal::EndSessions({&pid_, 1});
  MutexLock lock(mutex_);
  process_internal::Guardian::Get().Forget(pid_);
  if (end == End::kTakenByAnother) {
    exit_ = ExitStatus{ExitStatus::kUnknown, 0};
    return exit_;
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  exit_ = WIFSIGNALED(status) ? ExitStatus{0, WTERMSIG(status)} : ExitStatus{WEXITSTATUS(status), 0};
  return exit_;
}

ExitStatus ChildProcess::Terminate(Millis grace) {
  AskToEnd();
  if (const auto exit = Wait(grace)) return *exit;
  Kill();
  return Wait(kKillTimeout).value_or(ExitStatus{0, SIGKILL});
}

void ChildProcess::AskToEnd(Millis grace) {
  MutexLock lock(mutex_);
  SignalLocked(SIGTERM);
  if (grace < Millis::max()) kill_at_ = std::chrono::steady_clock::now() + grace;
}

void ChildProcess::Kill() {
  MutexLock lock(mutex_);
  SignalLocked(SIGKILL);
}

void ChildProcess::SignalLocked(int signal) {
  if (!exit_ && LookForEnd(pid_) != End::kTakenByAnother) process_internal::SignalSessions({&pid_, 1}, signal);
}

void ChildProcess::AwaitLastWords() const {
  if (!exit_) return;
  const SteadyTime deadline = std::chrono::steady_clock::now() + kLastWords;
  while (!stderr_at_end_ && Left(deadline) > Millis(0)) stderr_ended_.WaitFor(mutex_, Left(deadline));
}

std::string ChildProcess::LastStderr() const {
  MutexLock lock(mutex_);
  AwaitLastWords();
  std::string text;
  for (const std::string& line : last_stderr_) {
    if (!text.empty()) text += '\n';
    text += line;
  }
  return text;
}

void ChildProcess::ForgetStderr() {
  MutexLock lock(mutex_);
  last_stderr_.clear();
  last_stderr_bytes_ = 0;
}

void ChildProcess::AwaitStderr() {
  const SteadyTime deadline = std::chrono::steady_clock::now() + kLastWords;
  bool asked = false;
  while (true) {
    {
      MutexLock lock(mutex_);
      if (stderr_at_end_ || (asked && !stderr_is_to_be_cut_)) return;
      int unread = 0;
      if (!asked && !stderr_is_passed_on_ && (ioctl(error_.get(), FIONREAD, &unread) != 0 || unread == 0)) {
        asked = true;
        if (!std::exchange(stderr_is_to_be_cut_, true) && write(wake_reader_.get(), "", 1) != 1) return;
      }
    }
    if (Left(deadline) == Millis(0)) return;
    std::this_thread::sleep_for(Millis(1));
  }
}

absl::Status ChildProcess::Ended() {
  // A child that closed its pipe is useless, even if it still runs.
  std::optional<ExitStatus> exit = Wait(kLastWords);
  std::string message = exit ? exit->ToString() : "closed its pipe but still runs";
  const std::string last_words = LastStderr();
  message += last_words.empty() ? "; nothing on standard error" : "; standard error ended with:\n" + last_words;
  return absl::UnavailableError(message);
}

void ChildProcess::ReadStderr(int wake_fd) {
  std::string pending;
  // After the request to stop, read only what is there by then: a process that keeps standard error
  // open may write forever.
  std::optional<std::size_t> left;
  while (!left || *left > 0) {
    std::array<pollfd, 2> wait = {{{error_.get(), POLLIN, 0}, {wake_fd, POLLIN, 0}}};
    if (poll(wait.data(), wait.size(), -1) < 0) continue;
    if (wait[1].revents != 0 && !left) {
      char byte = 0;
      const ssize_t woken = read(wake_fd, &byte, 1);
      if (woken != 0) {
        if (woken > 0) CutStderrLine(pending);
        continue;
      }
      int unread = 0;
      if (ioctl(error_.get(), FIONREAD, &unread) != 0 || unread == 0) break;
      left = static_cast<std::size_t>(unread);
    }
    if (wait[0].revents == 0) continue;
    {
      MutexLock lock(mutex_);
      stderr_is_passed_on_ = true;
    }
    const std::optional<std::size_t> count = PassOnStderr(pending, left);
    {
      MutexLock lock(mutex_);
      stderr_is_passed_on_ = false;
    }
    if (!count) break;
    if (left) *left -= *count;
  }
  if (!pending.empty()) TakeStderrLine(pending);
  MutexLock lock(mutex_);
  stderr_at_end_ = true;
  stderr_ended_.NotifyAll();
}

std::optional<std::size_t> ChildProcess::PassOnStderr(std::string& pending, std::optional<std::size_t> most) {
  std::array<char, 16 << 10> buffer;
  const ssize_t count = read(error_.get(), buffer.data(), std::min(buffer.size(), most.value_or(buffer.size())));
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
  if (count <= 0) return std::nullopt;
  pending.append(buffer.data(), static_cast<std::size_t>(count));
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = std::min(pending.find('\n', begin), begin + kLongestStderrLine);
    if (end >= pending.size()) break;
    TakeStderrLine(std::string_view(pending).substr(begin, end - begin));
    begin = pending[end] == '\n' ? end + 1 : end;
  }
  pending.erase(0, begin);
  return static_cast<std::size_t>(count);
}

void ChildProcess::CutStderrLine(std::string& pending) {
  if (!pending.empty()) TakeStderrLine(std::exchange(pending, std::string()));
  MutexLock lock(mutex_);
  stderr_is_to_be_cut_ = false;
}

void ChildProcess::TakeStderrLine(std::string_view line) {
  {
    MutexLock lock(mutex_);
    last_stderr_.emplace_back(line.substr(0, kKeptStderrBytes));
    last_stderr_bytes_ += last_stderr_.back().size() + 1;
    while (last_stderr_.size() > kKeptStderrLines ||
           (last_stderr_.size() > 1 && last_stderr_bytes_ > kKeptStderrBytes)) {
      last_stderr_bytes_ -= last_stderr_.front().size() + 1;
      last_stderr_.pop_front();
    }
  }
  if (sink_) sink_(line);
}

}  // namespace layernas
