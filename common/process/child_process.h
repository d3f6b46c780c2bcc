// A child process that is talked to in lines, and that can't outlive us.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/process/fd.h"

namespace layernas {

struct ChildOptions {
  // The program and its arguments. A program without a slash is looked for on PATH. No shell is involved.
  std::vector<std::string> argv;
  // Laid over our own environment.
  std::vector<std::pair<std::string, std::string>> environment;
  // True: standard input and output are pipes, for WriteLine and ReadLine. False: input is empty, and output joins
  // standard error.
  bool pipes = true;
  // False: the child leads a process group of its own, but stays in our session, and what goes into another group
  // escapes. For measurements: the kernel shares processors among sessions (sched(7), autogroups).
  bool own_session = true;
  // Called for each line of standard error, without its line feed, on a thread of the child's own; a line over 8 KiB
  // comes in parts. Must not block for long, nor call the ChildProcess.
  std::function<void(std::string_view line)> on_stderr_line;
};

// How a process ended.
struct ExitStatus {
  // The code where something else in our process has reaped the child.
  static constexpr int kUnknown = -1;

  // Exit code; meaningless where signal is not 0.
  int code = 0;
  // The signal that killed it, or 0.
  int signal = 0;

  bool ok() const { return code == 0 && signal == 0; }
  // "exit code 3", "killed by signal 9 (SIGKILL)", "unknown exit code".
  std::string ToString() const;
};

// OK if the program (on PATH, where it has no slash) can be started as far as one can see; else as ChildProcess::Start.
absl::Status CheckProgram(const std::string& program);

// The child leads a session of its own. All that the child has started in it, in whatever process groups, is signalled
// with the child and killed when the child ends, however that happens; and with the child when our process dies. A
// program that begins another session (setsid) escapes.
//
// AskToEnd(), Kill() and LastStderr() may be called from any thread; everything else from one thread at a time.
class ChildProcess {
 public:
  // Returns once the program runs. NOT_FOUND, PERMISSION_DENIED or RESOURCE_EXHAUSTED (of processes, threads, files)
  // names the program that can't be started and says why.
  // From the first call on our process ignores SIGPIPE, which the child does not, and no longer ignores SIGCHLD if it
  // was started so.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(ChildOptions options);

  // SIGKILL to the sessions of all children of our process, for when it ends without destroying them. Thread-safe. A
  // child that another thread starts meanwhile may be missed.
  static void KillAll();

  // Kills what still runs. Waits for on_stderr_line.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  // Writes the line and a line feed. DEADLINE_EXCEEDED when the child does not take it in time (part of the line may
  // have been written), UNAVAILABLE when it has ended.
  absl::Status WriteLine(std::string_view line, Millis timeout);

  // Whether the child has read anything of the last line that was written. Also of a child that has ended; true once
  // its input was closed.
  bool HasReadOfLastLine() const;

  // The next line, without its line feed; an unfinished line before the end counts as one. What others write to the
  // pipe after the child's end is not read. DEADLINE_EXCEEDED when no line came in time, RESOURCE_EXHAUSTED when it is
  // longer than max_bytes (the message quotes how it starts; nothing further can be read), UNAVAILABLE when the child
  // has ended: then the message says how, and quotes its last standard error.
  absl::StatusOr<std::string> ReadLine(Millis timeout, std::size_t max_bytes);

  // After a ReadLine that found no line in time: whether it has read the beginning of one.
  bool HasPartialLine() const { return !pending_.empty(); }

  // Tells the child that no more lines will come.
  void CloseInput();

  // Waits for the end; nothing if the child still runs after the timeout. Zero only looks. When the child has ended, so
  // has its session; that can take two seconds in addition. Of a child that something else has reaped, the session is
  // left alone: its number may be another's.
  std::optional<ExitStatus> Wait(Millis timeout);

  // SIGTERM to the session; returns at once, and does nothing once the end has been seen. After the grace, the next
  // look at the child (while it is read, written to or waited for) kills what is left.
  void AskToEnd(Millis grace = Millis::max());

  // AskToEnd, and SIGKILL to what is left after the grace.
  ExitStatus Terminate(Millis grace);

  // SIGKILL to the session; returns at once, and does nothing once the end has been seen.
  void Kill();

  // Returns once on_stderr_line has had every whole line that the child has written to standard error before the call;
  // or half a second later, also where on_stderr_line blocks.
  void AwaitStderr();

  // The last lines of standard error, at most 20 lines and 4 KiB, joined by line feeds; all of them once the end was
  // seen.
  std::string LastStderr() const;

  // LastStderr and what Ended says begin anew: of a child that answers many requests, with what the next one makes it
  // say.
  void ForgetStderr();

 private:
  ChildProcess(pid_t pid, Fd input, Fd output, Fd error, Fd stop_reading, std::function<void(std::string_view)> sink);

  void SignalLocked(int signal) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Reaps the child if it has ended, its session first. Kills it if its grace is over.
  std::optional<ExitStatus> Look() ABSL_LOCKS_EXCLUDED(mutex_);
  // Looks now and then, however often it is called.
  bool HasEnded();
  // Of a child that has ended: reads what it has left in its pipe.
  void TakeRest();
  // Why the pipe broke: how the child ended and its last words.
  absl::Status Ended();
  // Where the end was seen: until all standard error is read, or something outside the session holds it open for too
  // long.
  void AwaitLastWords() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadStderr(int stop_fd);
  // Reads once, and passes whole lines on; `pending` is what is left of the last. Returns the bytes read, at most
  // `most`; nothing at the end.
  std::optional<std::size_t> PassOnStderr(std::string& pending, std::optional<std::size_t> most);
  void TakeStderrLine(std::string_view line);

  const pid_t pid_;
  const std::function<void(std::string_view)> sink_;
  Fd input_;
  Fd output_;
  Fd error_;
  // Closing it ends the thread that reads standard error, which something outside the session may hold open.
  Fd stop_reading_;
  // Output read, but not yet returned.
  std::string pending_;
  // Written of the last line.
  std::size_t last_line_bytes_ = 0;
  bool output_ended_ = false;
  // When HasEnded looked last.
  SteadyTime looked_;

  mutable Mutex mutex_;
  mutable CondVar stderr_ended_;
  // Set when the child is reaped; from then on its process id may be another's.
  std::optional<ExitStatus> exit_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> last_stderr_ ABSL_GUARDED_BY(mutex_);
  std::size_t last_stderr_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Set by AskToEnd: when what is left is killed.
  std::optional<SteadyTime> kill_at_ ABSL_GUARDED_BY(mutex_);
  // Something of standard error may have been read, and not yet passed on.
  bool stderr_is_passed_on_ ABSL_GUARDED_BY(mutex_) = false;
  bool stderr_at_end_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread stderr_reader_;
};

}  // namespace layernas
