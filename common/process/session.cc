#include "common/process/session.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace layernas::process_internal {
namespace {

// Most processes end after the first round and a short pause.
constexpr int kMaxRounds = 110;
constexpr long kFirstPauseNs = 1'000'000;
constexpr long kLongestPauseNs = 20'000'000;

// The guardian calls this code after a fork from a process with threads. So it only uses
// async-signal-safe calls, and no heap.

// Returns the number at the start of `text`, 0 if there is none.
pid_t ParseNumber(const char* text) {
  pid_t number = 0;
  for (; *text >= '0' && *text <= '9'; ++text) number = number * 10 + (*text - '0');
  return number;
}

// Returns true if opening a file failed for lack of descriptors or memory, which says nothing about
// the file.
bool IsShortage(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM; }

// Returns false for a zombie and for a process that no longer exists.
bool Runs(int proc, const char* process) {
  std::array<char, 64> path;
  const std::size_t length = strlen(process);
  constexpr char kFile[] = "/stat";
  if (length + sizeof(kFile) > path.size()) return false;
  memcpy(path.data(), process, length);
  memcpy(path.data() + length, kFile, sizeof(kFile));
  const int file = openat(proc, path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return IsShortage(errno);
  std::array<char, 512> text;
  const ssize_t count = read(file, text.data(), text.size() - 1);
  close(file);
  if (count <= 0) return false;
  text[static_cast<std::size_t>(count)] = '\0';
  // The format is PID (NAME) STATE …. NAME may contain any characters.
  const char* name_end = strrchr(text.data(), ')');
  if (name_end == nullptr || name_end[1] == '\0') return false;
  return name_end[2] != 'Z' && name_end[2] != 'X';
}

// Calls `visit` with the id of each process, as a number and as a name below `proc`.
template <typename Visit>
void ForEachProcess(int proc, Visit visit) {
  alignas(8) std::array<char, 4096> entries;
  for (long size = 0; (size = syscall(SYS_getdents64, proc, entries.data(), entries.size())) > 0;) {
    for (long at = 0; at < size;) {
      // The layout of struct linux_dirent64: u64 inode, s64 offset, u16 length, u8 type, name.
      const char* entry = entries.data() + at;
      std::uint16_t length = 0;
      memcpy(&length, entry + 16, sizeof(length));
      at += length;
      const char* name = entry + 19;
      if (const pid_t process = ParseNumber(name); process > 0) visit(process, name);
    }
  }
}

}  // namespace

bool SignalSessions(std::span<const pid_t> sessions, int signal) {
  for (const pid_t session : sessions) kill(-session, signal);
  const int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) return IsShortage(errno);
  bool found = false;
  ForEachProcess(proc, [&](pid_t process, const char* name) {
    const pid_t session = getsid(process);
    if (session <= 0 || process == getpid()) return;
    if (std::find(sessions.begin(), sessions.end(), session) == sessions.end()) return;
    // The first group already has the signal, and some programs exit at once after a second one.
    // SIGKILL cannot be misunderstood, and a process that has joined the group since must get it
    // too.
    if (signal == SIGKILL || getpgid(process) != session) kill(process, signal);
    found = Runs(proc, name) || found;
  });
  close(proc);
  return found;
}

void EndSessions(std::span<const pid_t> sessions) {
  timespec pause = {0, kFirstPauseNs};
  for (int round = 0; round < kMaxRounds && !sessions.empty() && SignalSessions(sessions, SIGKILL); ++round) {
    nanosleep(&pause, nullptr);
    pause.tv_nsec = std::min(pause.tv_nsec * 2, kLongestPauseNs);
  }
}

}  // namespace layernas::process_internal
