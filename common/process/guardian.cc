#include "common/process/guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/log/log.h"
#include "common/process/session.h"

namespace layernas::process_internal {
namespace {

// The maximum number of children at the same time. Further children are not guarded.
constexpr std::size_t kMaxSessions = 4096;

// A message in the pipe: a session to guard or, if negative, to forget. Writes of this size are
// atomic.
using Message = std::int32_t;

// The guardian is forked from a process with threads. So the code below only uses async-signal-safe
// calls, and no heap.

struct Sessions {
  std::array<pid_t, kMaxSessions> ids;
  std::size_t count = 0;

  void Take(Message message) {
    if (message > 0 && count < ids.size()) ids[count++] = message;
    if (message >= 0) return;
    for (std::size_t i = 0; i < count; ++i) {
      if (ids[i] != -message) continue;
      ids[i] = ids[--count];
      return;
    }
  }
};

// The memory with the command line of this process, which ps and pkill -f read.
struct CommandLine {
  char* begin = nullptr;
  std::size_t size = 0;

  // Call this before the fork. Returns an empty object if the kernel does not provide the location.
  static CommandLine Find() {
    std::ifstream file("/proc/self/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    // The name, in parentheses, is followed by the third field. The 48th and 49th are needed
    // (proc(5)).
    std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
    std::string skipped;
    for (int field = 3; field < 48; ++field) fields >> skipped;
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    fields >> begin >> end;
    if (!fields || begin == 0 || end <= begin) return {};
    return {reinterpret_cast<char*>(begin), end - begin};
  }

  void Replace(std::string_view text) const {
    if (size == 0) return;
    memset(begin, 0, size);
    memcpy(begin, text.data(), std::min(text.size(), size - 1));
  }
};

constexpr char kName[] = "layernas-guard";

[[noreturn]] void Serve(int pipe, CommandLine command_line) {
  setsid();
  command_line.Replace(kName);
  prctl(PR_SET_NAME, kName);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  // Close all inherited descriptors, so that sockets, locks and pipes close when their owner ends.
  dup2(pipe, 0);
  if (syscall(SYS_close_range, 1, UINT_MAX, 0) != 0) {
    for (int fd = 1; fd < 65'536; ++fd) close(fd);
  }
  static Sessions sessions;
  while (true) {
    Message message = 0;
    const ssize_t count = read(0, &message, sizeof(message));
    if (count < 0 && errno == EINTR) continue;
    if (count != sizeof(message)) break;
    sessions.Take(message);
  }
  EndSessions({sessions.ids.data(), sessions.count});
  _exit(0);
}

}  // namespace

Guardian& Guardian::Get() {
  static auto* guardian = new Guardian;
  return *guardian;
}

void Guardian::Ensure() {
  MutexLock lock(mutex_);
  if (const int pipe = pipe_; pipe >= 0) {
    pollfd reader{pipe, 0, 0};
    if (poll(&reader, 1, 0) <= 0 || (reader.revents & POLLERR) == 0) return;
    pipe_ = -1;
    close(pipe);
  }
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  pid_ = 0;
  if (const int error = Start(); error != 0) {
    if (!std::exchange(warned_, true)) {
      log::Warning(
          "cannot start the process that ends the evaluators' processes if this process is killed; retrying "
          "with each evaluator",
          {{"why", std::generic_category().message(error)}});
    }
    return;
  }
  for (const pid_t session : sessions_) Tell(session);
}

int Guardian::Start() {
  const CommandLine command_line = CommandLine::Find();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  // Above the standard descriptors, which a child replaces.
  const int write_end = fcntl(ends[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const pid_t pid = write_end < 0 ? -1 : fork();
  const int error = pid < 0 ? errno : 0;
  if (pid == 0) {
    close(ends[1]);
    close(write_end);
    Serve(ends[0], command_line);
  }
  close(ends[0]);
  close(ends[1]);
  if (pid > 0) {
    pid_ = pid;
    pipe_ = write_end;
  } else if (write_end >= 0) {
    close(write_end);
  }
  return error;
}

void Guardian::Guard() const { Tell(getpid()); }

void Guardian::Add(pid_t session) {
  MutexLock lock(mutex_);
  sessions_.insert(session);
}

void Guardian::Forget(pid_t session) {
  MutexLock lock(mutex_);
  if (sessions_.erase(session) > 0) Tell(-session);
}

void Guardian::Tell(pid_t message) const {
  static_assert(sizeof(pid_t) == sizeof(Message));
  if (const int pipe = pipe_; pipe >= 0) [[maybe_unused]]
    const ssize_t written = write(pipe, &message, sizeof(message));
}

}  // namespace layernas::process_internal
