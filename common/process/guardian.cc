#include "common/process/guardian.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>

#include "common/process/session.h"

namespace layernas::process_internal {
namespace {

// Children that are alive at the same time; those beyond are not guarded.
constexpr std::size_t kMaxSessions = 4096;

// What goes through the pipe: a session to guard, or, negative, to forget. Writes this small are never torn.
using Message = std::int32_t;

// The guardian is forked from a process with threads: what follows uses only async-signal-safe calls, and no heap.

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

[[noreturn]] void Serve(int pipe) {
  setsid();
  prctl(PR_SET_NAME, "layernas-guard");
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  // Sockets, locks and the ends of pipes must close with their owner.
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

Guardian::Guardian() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  // Above the standard descriptors, which a child replaces.
  const int write_end = fcntl(ends[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const pid_t pid = write_end < 0 ? -1 : fork();
  if (pid == 0) {
    close(ends[1]);
    close(write_end);
    Serve(ends[0]);
  }
  close(ends[0]);
  close(ends[1]);
  if (pid > 0) {
    pipe_ = write_end;
  } else if (write_end >= 0) {
    close(write_end);
  }
}

void Guardian::Guard() const {
  const Message message = getpid();
  if (pipe_ >= 0) [[maybe_unused]]
    const ssize_t written = write(pipe_, &message, sizeof(message));
}

void Guardian::Forget(pid_t session) const {
  const Message message = -session;
  if (pipe_ >= 0) [[maybe_unused]]
    const ssize_t written = write(pipe_, &message, sizeof(message));
}

}  // namespace layernas::process_internal
