#include "common/process/guardian.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace layernas::process_internal {
namespace {

// Children that are alive at the same time; those beyond are not guarded.
constexpr std::size_t kMaxSessions = 4096;
// Programs may start others while they are being killed.
constexpr int kMaxRounds = 100;
constexpr timespec kRoundPause = {0, 20'000'000};

// What goes through the pipe: a session to guard, or, negative, to forget. Writes this small are never torn.
using Message = std::int32_t;

// The guardian is forked from a process with threads: what follows uses only async-signal-safe calls, and no heap.

// The number at `text`, 0 if there is none.
pid_t ParseNumber(const char* text) {
  pid_t number = 0;
  for (; *text >= '0' && *text <= '9'; ++text) number = number * 10 + (*text - '0');
  return number;
}

// The process's session from /proc/PID/stat, 0 if the process is gone or dead.
pid_t SessionOf(int proc, const char* process) {
  std::array<char, 64> path;
  const std::size_t length = strlen(process);
  constexpr char kFile[] = "/stat";
  if (length + sizeof(kFile) > path.size()) return 0;
  memcpy(path.data(), process, length);
  memcpy(path.data() + length, kFile, sizeof(kFile));
  const int file = openat(proc, path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  std::array<char, 512> text;
  const ssize_t count = read(file, text.data(), text.size() - 1);
  close(file);
  if (count <= 0) return 0;
  text[static_cast<std::size_t>(count)] = '\0';
  // The name, in parentheses, may hold anything: PID (NAME) STATE PARENT GROUP SESSION …
  const char* field = strrchr(text.data(), ')');
  if (field == nullptr || field[1] == '\0' || field[2] == 'Z' || field[2] == 'X') return 0;
  for (int fields = 0; fields < 4; ++fields) {
    field = strchr(field + 1, ' ');
    if (field == nullptr) return 0;
  }
  return ParseNumber(field + 1);
}

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

  bool Has(pid_t session) const {
    for (std::size_t i = 0; i < count; ++i) {
      if (ids[i] == session) return true;
    }
    return false;
  }
};

// Kills the processes of the sessions. Returns false if there were none.
bool KillMembers(const Sessions& sessions) {
  const int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return false;
  bool found = false;
  alignas(8) std::array<char, 4096> entries;
  for (long size = 0; (size = syscall(SYS_getdents64, proc, entries.data(), entries.size())) > 0;) {
    for (long at = 0; at < size;) {
      // struct linux_dirent64: u64 inode, s64 offset, u16 length, u8 type, name.
      const char* entry = entries.data() + at;
      std::uint16_t length = 0;
      memcpy(&length, entry + 16, sizeof(length));
      at += length;
      const char* name = entry + 19;
      const pid_t process = ParseNumber(name);
      if (process <= 0 || process == getpid()) continue;
      const pid_t session = SessionOf(proc, name);
      if (session <= 0 || !sessions.Has(session)) continue;
      kill(process, SIGKILL);
      found = true;
    }
  }
  close(proc);
  return found;
}

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
  for (std::size_t i = 0; i < sessions.count; ++i) kill(-sessions.ids[i], SIGKILL);
  for (int round = 0; round < kMaxRounds && sessions.count > 0 && KillMembers(sessions); ++round) {
    nanosleep(&kRoundPause, nullptr);
  }
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
