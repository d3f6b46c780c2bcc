#include "client/local/local_cluster.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/local/log_file.h"
#include "common/base/status_macros.h"
#include "common/base/weights_dir.h"
#include "common/security/file.h"
#include "common/security/token_list.h"

namespace layernas::client {
namespace {

namespace fs = std::filesystem;

constexpr Millis kStartTimeout{30'000};
constexpr Millis kPoll{20};
// Time for workers to return their tasks and for the controller to close its database.
constexpr Millis kWorkerGrace{5'000};
constexpr Millis kControllerGrace{10'000};

absl::Status EndedEarly(const std::string& name, const ExitStatus& exit, const ChildProcess& process) {
  const std::string last_words = process.LastStderr();
  return absl::InternalError(absl::StrCat(name, " ended unexpectedly (", exit.ToString(),
                                          last_words.empty() ? ")" : "); its last output:\n", last_words));
}

// Creates the directory with access only for the user, regardless of the umask. Does not change an
// existing directory. Parent directories are created with the umask.
absl::Status MakePrivateFolder(fs::path folder) {
  // "data/" means "data".
  while (folder.filename().empty() && folder.has_relative_path()) folder = folder.parent_path();
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (!error && ::mkdir(folder.c_str(), S_IRWXU) != 0) {
    error.assign(errno, std::generic_category());
    std::error_code ignored;
    if (fs::is_directory(folder, ignored)) error.clear();
  }
  if (!error) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cannot create ", folder.string(), ": ", error.message()));
}

// Returns whether the user has set a directory for weights.
bool IsWeightsDirSet() {
  const char* folder = std::getenv("LAYERNAS_WEIGHTS_DIR");
  return folder != nullptr && *folder != '\0';
}

// Returns the variables that may be set for a controller of many users. In this one, they would delete
// searches that the user keeps, or unfinished backups of that controller. The log's level stays.
std::vector<std::string> VariablesOfOtherControllers() {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view variable = text.substr(0, text.find('='));
    if (variable.starts_with("LAYERNAS_") && variable != "LAYERNAS_LOG_LEVEL") variables.emplace_back(variable);
  }
  return variables;
}

// The same for workers. Other variables are for the evaluator and for the workers of this run.
std::vector<std::string> VariablesOfOtherWorkers() {
  return {"LAYERNAS_WORKER_CONFIG", "LAYERNAS_METRICS_LISTEN", "LAYERNAS_READY_FILE",   "LAYERNAS_TLS_CA",
          "LAYERNAS_TLS_CERT",      "LAYERNAS_TLS_KEY",        "LAYERNAS_TLS_CLIENT_CA"};
}

// Returns nothing if the file does not exist. The file is written atomically.
std::optional<std::string> ReadAddress(const fs::path& ready_file) {
  std::ifstream in(ready_file);
  if (!in) return std::nullopt;
  const nlohmann::json ready = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!ready.is_object() || !ready.contains("address") || !ready["address"].is_string()) return std::nullopt;
  return ready["address"].get<std::string>();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Start(LocalClusterOptions options, StopSignal& stop) {
  std::unique_ptr<LocalCluster> cluster(new LocalCluster(std::move(options)));
  LAYERNAS_RETURN_IF_ERROR(cluster->MakeDataDir());
  LAYERNAS_RETURN_IF_ERROR(cluster->MakeToken());
  LAYERNAS_RETURN_IF_ERROR(cluster->StartController(stop));
  return cluster;
}

LocalCluster::~LocalCluster() {
  StopPrograms();
  std::error_code ignored;
  if (temporary_) fs::remove_all(options_.data_dir, ignored);
}

absl::Status LocalCluster::MakeDataDir() {
  std::error_code error;
  if (options_.data_dir.empty()) {
    std::string name = (fs::temp_directory_path(error) / "layernas-run-XXXXXX").string();
    if (error || ::mkdtemp(name.data()) == nullptr) {
      return absl::InternalError(
          absl::StrCat("cannot create the temporary directory ", name, "; use --data-dir or set TMPDIR"));
    }
    options_.data_dir = name;
    temporary_ = true;
    own_weights_ = true;
  }
  LAYERNAS_RETURN_IF_ERROR(MakePrivateFolder(options_.data_dir));
  LAYERNAS_RETURN_IF_ERROR(Lock());
  if (!own_weights_ && !IsWeightsDirSet()) LAYERNAS_RETURN_IF_ERROR(MakePrivateFolder(WeightsDir()));
  return MakePrivateFolder(options_.data_dir / "logs");
}

absl::Status LocalCluster::Lock() {
  const std::string path = (options_.data_dir / "lock").string();
  lock_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!lock_.valid()) {
    return absl::UnknownError(absl::StrCat("cannot open ", path, ": ", std::generic_category().message(errno)));
  }
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    std::string pid;
    std::ifstream(path) >> pid;
    return absl::FailedPreconditionError(absl::StrCat("cannot use data directory ", options_.data_dir.string(),
                                                      ": another 'layernas run' (pid ", pid,
                                                      ") uses it; wait until it ends or choose another --data-dir"));
  }
  const std::string pid = absl::StrCat(::getpid(), "\n");
  // The pid is only for the message above; the lock works without it.
  (void)!::ftruncate(lock_.get(), 0);
  (void)!::write(lock_.get(), pid.data(), pid.size());
  return absl::OkStatus();
}

absl::Status LocalCluster::MakeToken() {
  const fs::path list = ListOfTokens();
  security_.token_file = (options_.data_dir / "token").string();
  std::error_code ignored;
  // Left by an earlier run.
  fs::remove(list, ignored);
  fs::remove(security_.token_file, ignored);
  LAYERNAS_ASSIGN_OR_RETURN(const std::string token, security::MakeToken());
  const std::string line =
      security::FormatTokenLine({security::Role::kAdmin, security::HashToken(token), "layernas-run"});
  LAYERNAS_RETURN_IF_ERROR(security::WriteNewPrivateFile(security_.token_file, token + "\n"));
  return security::WriteNewPrivateFile(list.string(), line + "\n");
}

// Uses a separate directory per run, because all runs of a spec give their search the same name.
std::string LocalCluster::WeightsDir() const {
  if (!own_weights_) return (options_.data_dir / "weights").string();
  const std::string all = DefaultWeightsDir();
  return all.empty() ? "" : (fs::path(all) / options_.data_dir.filename()).string();
}

absl::StatusOr<LocalCluster::Program> LocalCluster::StartProgram(const std::string& name, std::vector<std::string> argv,
                                                                 const std::vector<std::string>& variables_to_clear) {
  LAYERNAS_ASSIGN_OR_RETURN(const std::shared_ptr<LogFile> log,
                            LogFile::Open((options_.data_dir / "logs" / (name + ".log")).string()));
  ChildOptions child;
  child.argv = std::move(argv);
  for (const std::string& variable : variables_to_clear) child.environment.emplace_back(variable, "");
  if (const std::string own = WeightsDir(); !own.empty() && !IsWeightsDirSet()) {
    child.environment.emplace_back("LAYERNAS_WEIGHTS_DIR", own);
  }
  child.pipes = false;
  child.on_stderr_line = [log](std::string_view line) { log->Write(line); };
  LAYERNAS_ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> process, ChildProcess::Start(std::move(child)));
  return Program{name, std::move(process)};
}

absl::Status LocalCluster::StartController(StopSignal& stop) {
  const fs::path ready_file = options_.data_dir / "ready.json";
  std::error_code ignored;
  fs::remove(ready_file, ignored);
  LAYERNAS_ASSIGN_OR_RETURN(controller_, StartProgram("controller",
                                                      {(options_.programs / "layernas-controller").string(), "--listen",
                                                       "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--data-dir",
                                                       (options_.data_dir / "controller").string(), "--ready-file",
                                                       ready_file.string(), "--token-file", ListOfTokens().string()},
                                                      VariablesOfOtherControllers()));
  const SteadyTime deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (true) {
    if (const std::optional<std::string> address = ReadAddress(ready_file)) {
      address_ = *address;
      return absl::OkStatus();
    }
    if (const std::optional<ExitStatus> exit = controller_.process->Wait(Millis(0))) {
      return EndedEarly("layernas-controller", *exit, *controller_.process);
    }
    if (std::chrono::steady_clock::now() > deadline) {
      return absl::InternalError(absl::StrCat("layernas-controller was not ready within ", kStartTimeout.count() / 1000,
                                              " s; its log is in ", (options_.data_dir / "logs").string()));
    }
    if (stop.WaitFor(kPoll)) return absl::CancelledError("interrupted");
  }
}

absl::Status LocalCluster::StartWorkers() {
  for (int i = 1; i <= options_.workers; ++i) {
    const std::string name = absl::StrCat("worker-", i);
    std::vector<std::string> argv = {(options_.programs / "layernas-worker").string(),
                                     "--controller",
                                     address_,
                                     "--token-file",
                                     security_.token_file,
                                     "--id",
                                     absl::StrCat("local-", i)};
    argv.insert(argv.end(), options_.worker_arguments.begin(), options_.worker_arguments.end());
    LAYERNAS_ASSIGN_OR_RETURN(Program worker, StartProgram(name, std::move(argv), VariablesOfOtherWorkers()));
    workers_.push_back(std::move(worker));
  }
  return absl::OkStatus();
}

absl::Status LocalCluster::Check() {
  if (const std::optional<ExitStatus> exit = controller_.process->Wait(Millis(0))) {
    return EndedEarly("layernas-controller", *exit, *controller_.process);
  }
  absl::Status last_end;
  for (const Program& worker : workers_) {
    const std::optional<ExitStatus> exit = worker.process->Wait(Millis(0));
    if (!exit.has_value()) return absl::OkStatus();
    last_end = EndedEarly(absl::StrCat("all workers have ended; ", worker.name), *exit, *worker.process);
  }
  return last_end;
}

bool LocalCluster::ControllerRuns() { return !controller_.process->Wait(Millis(0)).has_value(); }

void LocalCluster::StopPrograms() {
  // Stop all workers in parallel, so that their grace periods do not add up.
  std::vector<std::thread> stopping;
  stopping.reserve(workers_.size());
  for (const Program& worker : workers_) {
    stopping.emplace_back([&worker] { worker.process->Terminate(kWorkerGrace); });
  }
  for (std::thread& thread : stopping) thread.join();
  if (controller_.process != nullptr) controller_.process->Terminate(kControllerGrace);
}

}  // namespace layernas::client
