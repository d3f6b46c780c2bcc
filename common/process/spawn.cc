#include "common/process/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <future>
#include <map>
#include <string_view>
#include <system_error>
#include <thread>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"
#include "common/process/guardian.h"
#include "common/process/limits.h"
#include "common/process/session.h"

namespace layernas::process_internal {
namespace {

constexpr int kExecTimeoutMs = 30'000;

std::string ErrorText(int error) { return std::generic_category().message(error); }

// The kernel sends the parent-death signal when the *thread* that forked ends. So one thread that
// never ends makes all forks.
class Forker {
 public:
  // Throws std::system_error if the thread cannot be started. The next call retries.
  static Forker& Get() {
    static auto* forker = new Forker;
    return *forker;
  }

  pid_t Run(std::function<pid_t()> fork_and_exec) {
    std::packaged_task<pid_t()> task(std::move(fork_and_exec));
    std::future<pid_t> result = task.get_future();
    {
      MutexLock lock(mutex_);
      while (task_ != nullptr) changed_.Wait(mutex_);
      task_ = &task;
    }
    changed_.NotifyAll();
    return result.get();
  }

 private:
  Forker() { std::thread(&Forker::Loop, this).detach(); }

  void Loop() {
    while (true) {
      std::packaged_task<pid_t()> task;
      {
        MutexLock lock(mutex_);
        while (task_ == nullptr) changed_.Wait(mutex_);
        task = std::move(*task_);
        task_ = nullptr;
      }
      changed_.NotifyAll();
      task();
    }
  }

  Mutex mutex_;
  CondVar changed_;
  std::packaged_task<pid_t()>* task_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

std::vector<std::string> MergedEnvironment(const std::vector<std::pair<std::string, std::string>>& extra) {
  std::map<std::string, std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) merged.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  for (const auto& [key, value] : extra) merged[key] = value;
  std::vector<std::string> result;
  result.reserve(merged.size());
  for (const auto& [key, value] : merged) result.push_back(std::string(key).append("=").append(value));
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Everything that the child needs, prepared before the fork: after it, only async-signal-safe calls
// are allowed.
struct Plan {
  const char* program;
  char* const* argv;
  char* const* environment;
  std::array<int, 3> standard;
  int failure;
  pid_t parent;
  // The limit of open files that this process was started with. A higher limit may surprise the
  // program.
  rlimit files;
  bool own_session;
  const Guardian* guardian = nullptr;
};

[[noreturn]] void BecomeProgram(const Plan& plan) {
  if (plan.own_session) {
    setsid();
  } else {
    setpgid(0, 0);
  }
  plan.guardian->Guard();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setrlimit(RLIMIT_NOFILE, &plan.files);
  // The parent may have died before the line above.
  if (getppid() != plan.parent) _exit(127);
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < SIGRTMIN; ++signal) sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  bool ready = true;
  for (int fd = 0; fd < 3; ++fd) ready = ready && dup2(plan.standard[fd], fd) == fd;
  // Libraries may hold descriptors without the flag. If the kernel lacks this call, they are
  // inherited.
  close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
  if (ready) execve(plan.program, plan.argv, plan.environment);
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(plan.failure, &error, sizeof(error));
  _exit(127);
}

absl::Status ExplainExec(const std::string& program, int error) {
  const std::string start = "cannot start " + program + ": ";
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(start + "the interpreter in its first line, or its loader, does not exist");
    case ENOEXEC:
      return absl::PermissionDeniedError(start + "not a program for this machine (a script needs a #! line)");
    default:
      return absl::PermissionDeniedError(start + ErrorText(error));
  }
}

}  // namespace

absl::StatusOr<std::string> FindProgram(const std::string& program) {
  if (program.empty()) return absl::InvalidArgumentError("the program's name is empty");
  if (program.find('/') != std::string::npos) {
    struct stat info;
    if (stat(program.c_str(), &info) != 0) {
      return absl::NotFoundError("cannot start " + program + ": " + ErrorText(errno));
    }
    if (!S_ISREG(info.st_mode)) return absl::PermissionDeniedError("cannot start " + program + ": not a file");
    if (access(program.c_str(), X_OK) != 0) {
      return absl::PermissionDeniedError("cannot start " + program + ": not executable; try chmod +x");
    }
    return program;
  }
  const char* variable = std::getenv("PATH");
  const std::string path = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    // An empty entry means the current folder.
    std::string candidate = end == begin ? "." : path.substr(begin, end - begin);
    candidate.append("/").append(program);
    struct stat info;
    if (stat(candidate.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
    begin = end + 1;
  }
  return absl::NotFoundError("cannot start " + program + ": not found on PATH (" + path + ")");
}

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ResourceExhaustedError("cannot create a pipe: " + ErrorText(errno));
  Pipe pipe{Fd(ends[0]), Fd(ends[1])};
  for (Fd* end : {&pipe.read, &pipe.write}) {
    if (end->get() > STDERR_FILENO) continue;
    Fd moved(fcntl(end->get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!moved.valid()) return absl::ResourceExhaustedError("cannot create a pipe: " + ErrorText(errno));
    *end = std::move(moved);
  }
  return pipe;
}

absl::StatusOr<pid_t> Spawn(const SpawnOptions& options) {
  if (options.argv.empty()) return absl::InvalidArgumentError("no program given");
  LAYERNAS_ASSIGN_OR_RETURN(const std::string program, FindProgram(options.argv.front()));
  LAYERNAS_ASSIGN_OR_RETURN(Pipe failure, MakePipe());

  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> environment = MergedEnvironment(options.environment);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  Plan plan{program.c_str(),
            argument_pointers.data(),
            environment_pointers.data(),
            {options.input, options.output, options.error},
            failure.write.get(),
            getpid(),
            InheritedOpenFileLimit(),
            options.own_session};
  int fork_error = 0;
  Forker* forker = nullptr;
  try {
    forker = &Forker::Get();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError("cannot start " + program + ": " + error.code().message());
  }
  const pid_t pid = forker->Run([&plan, &fork_error] {
    // The thread that never ends forks the guardian too.
    Guardian& guardian = Guardian::Get();
    guardian.Ensure();
    plan.guardian = &guardian;
    const pid_t child = fork();
    if (child == 0) BecomeProgram(plan);
    if (child > 0) guardian.Add(child);
    if (child < 0) fork_error = errno;
    return child;
  });
  if (pid < 0) return absl::ResourceExhaustedError("cannot start " + program + ": " + ErrorText(fork_error));

  // Exec closes the other end. Until then the child may report an error.
  failure.write.Close();
  int error = ETIMEDOUT;
  pollfd wait{failure.read.get(), POLLIN, 0};
  int ready = 0;
  while ((ready = poll(&wait, 1, kExecTimeoutMs)) < 0 && errno == EINTR) {
  }
  if (ready > 0) {
    const ssize_t count = read(failure.read.get(), &error, sizeof(error));
    if (count == 0) return pid;
    if (count != sizeof(error)) error = EIO;
  }
  kill(pid, SIGKILL);
  EndSessions({&pid, 1});
  Guardian::Get().Forget(pid);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return ExplainExec(program, error);
}

}  // namespace layernas::process_internal
