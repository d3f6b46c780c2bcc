// A child process that exchanges lines of text with this process, and that cannot outlive it.
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
  // The program and its arguments. A program without a slash is searched on PATH. No shell is
  // involved.
  std::vector<std::string> argv;
  // Overrides variables of this process's environment.
  std::vector<std::pair<std::string, std::string>> environment;
  // True: standard input and output are pipes for WriteLine() and ReadLine(). False: standard input
  // is empty, and standard output goes to standard error.
  bool pipes = true;
  // False: the child leads its own process group but stays in this process's session. Processes
  // that move to another group then escape. This is for measurements, because the kernel divides
  // processors among sessions (sched(7), autogroups).
  bool own_session = true;
  // Called for each line of standard error, without its line feed, on a thread of the child's own.
  // A line over 8 KiB is passed in parts. It must not block for long, nor call the ChildProcess.
  std::function<void(std::string_view line)> on_stderr_line;
};

// How a process ended.
struct ExitStatus {
  // The exit code if another part of this process has reaped the child.
  static constexpr int kUnknown = -1;

  // The exit code. Meaningless if signal is not 0.
  int code = 0;
  // The signal that killed the process, or 0.
  int signal = 0;

  bool ok() const { return code == 0 && signal == 0; }
  // Returns "exit code 3", "killed by signal 9 (SIGKILL)" or "unknown exit code".
  std::string ToString() const;
};

// Returns OK if the program apparently can be started; otherwise the error of
// ChildProcess::Start(). A program without a slash is searched on PATH.
absl::Status CheckProgram(const std::string& program);

// The child leads its own session. Signals to the child also go to all processes that it has
// started in the session, in any process group. They are killed when the child ends, in whatever
// way, and with the child when this process dies. A program that starts another session (setsid)
// escapes.
//
// AskToEnd(), Kill() and LastStderr() may be called from any thread. The other functions must be
// called from one thread at a time.
class ChildProcess {
 public:
  // Starts the program, and returns when it runs. NOT_FOUND, PERMISSION_DENIED or
  // RESOURCE_EXHAUSTED (too few processes, threads or files) names the program and says why it
  // cannot be started. From the first call on, this process ignores SIGPIPE (the child does not),
  // and no longer ignores SIGCHLD.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(ChildOptions options);

  // Sends SIGKILL to the sessions of all children of this process, for use before an exit that does
  // not destroy them. It may miss a child that another thread starts meanwhile. Thread-safe.
  static void KillAll();

  // Kills the processes that still run. Waits for on_stderr_line.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  // Writes the line and a line feed. Reads meanwhile what the child writes, for ReadLine().
  // DEADLINE_EXCEEDED: the child did not take it in time; part of the line may have been written.
  // UNAVAILABLE: the child has ended.
  absl::Status WriteLine(std::string_view line, Millis timeout);

  // Returns true if the child has read any part of the last written line. It also works after the
  // child's end. Returns true if its input has been closed.
  bool HasReadOfLastLine() const;

  // Returns the next line without its line feed. An unfinished line before the child's end counts
  // as a line. Data that other processes write to the pipe after that end is not read.
  // DEADLINE_EXCEEDED: no line arrived in time. RESOURCE_EXHAUSTED: the line is longer than
  // max_bytes; the message quotes its start, and nothing more can be read. UNAVAILABLE: the child
  // has ended; the message says how, and quotes the end of its standard error.
  absl::StatusOr<std::string> ReadLine(Millis timeout, std::size_t max_bytes);

  // After a ReadLine() that found no line in time: returns true if it has read the beginning of a
  // line.
  bool HasPartialLine() const { return !pending_.empty(); }

  // Tells the child that no more lines follow.
  void CloseInput();

  // Waits for the child's end. Returns nothing if it still runs after the timeout; with a timeout
  // of 0 it only checks. When the child has ended, its session is ended too, which can take two
  // additional seconds. If another part of this process has reaped the child, the session is left
  // alone, because its id may belong to another session.
  std::optional<ExitStatus> Wait(Millis timeout);

  // Sends SIGTERM to the session and returns at once. Does nothing if the end has been seen. After
  // the grace, the next operation on the child (a read, write or wait) kills what is left.
  void AskToEnd(Millis grace = Millis::max());

  // Calls AskToEnd(), and sends SIGKILL to what is left after the grace.
  ExitStatus Terminate(Millis grace);

  // Sends SIGKILL to the session and returns at once. Does nothing if the end has been seen.
  void Kill();

  // Returns when on_stderr_line has received all that the child has written to standard error before
  // the call. A line without a line feed is passed on as it is, and its rest later as another line.
  // Returns after half a second in any case, also if on_stderr_line blocks.
  void AwaitStderr();

  // Returns the last lines of standard error, at most 20 lines and 4 KiB, joined by line feeds.
  // They are complete when the end has been seen.
  std::string LastStderr() const;

  // Makes LastStderr() and Ended() start again with no lines. Use it between two requests to the
  // same child.
  void ForgetStderr();

 private:
  ChildProcess(pid_t pid, Fd input, Fd output, Fd error, Fd wake_reader, std::function<void(std::string_view)> sink);

  void SignalLocked(int signal) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Reaps the child, after its session, if it has ended. Kills it if its grace is over.
  std::optional<ExitStatus> Look() ABSL_LOCKS_EXCLUDED(mutex_);
  // Checks the child from time to time, however often it is called.
  bool HasEnded();
  // Reads a part of the output, if there is one. Returns false if nothing can be read now.
  bool TakeSome();
  // After the child's end: reads the rest of its pipe.
  void TakeRest();
  // Explains why the pipe broke: how the child ended, and its last output.
  absl::Status Ended();
  // After the child's end: waits until all standard error has been read, or for a maximum time if a
  // process outside of the session keeps it open.
  void AwaitLastWords() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadStderr(int wake_fd);
  // Reads once and passes on complete lines; `pending` keeps the incomplete rest. Returns the
  // number of bytes read, at most `most`, or nothing at the end of the stream.
  std::optional<std::size_t> PassOnStderr(std::string& pending, std::optional<std::size_t> most);
  // Passes on the incomplete line, as AwaitStderr() has asked.
  void CutStderrLine(std::string& pending);
  void TakeStderrLine(std::string_view line);

  const pid_t pid_;
  const std::function<void(std::string_view)> sink_;
  Fd input_;
  Fd output_;
  Fd error_;
  // A byte makes the thread that reads standard error pass on its incomplete line. Closing it ends
  // the thread, because a process outside of the session may keep standard error open.
  Fd wake_reader_;
  // Output that has been read but not returned.
  std::string pending_;
  // Bytes of the last line that have been written.
  std::size_t last_line_bytes_ = 0;
  bool output_ended_ = false;
  // When HasEnded() last checked.
  SteadyTime looked_;

  mutable Mutex mutex_;
  mutable CondVar stderr_ended_;
  // Set when the child is reaped. From then on its process id may belong to another process.
  std::optional<ExitStatus> exit_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> last_stderr_ ABSL_GUARDED_BY(mutex_);
  std::size_t last_stderr_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Set by AskToEnd(): when to kill what is left.
  std::optional<SteadyTime> kill_at_ ABSL_GUARDED_BY(mutex_);
  // True: a part of standard error may have been read but not passed on.
  bool stderr_is_passed_on_ ABSL_GUARDED_BY(mutex_) = false;
  // True: the reader has been asked to pass on its incomplete line, and has not yet done so.
  bool stderr_is_to_be_cut_ ABSL_GUARDED_BY(mutex_) = false;
  bool stderr_at_end_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread stderr_reader_;
};

}  // namespace layernas
