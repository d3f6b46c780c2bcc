// layernas-worker: leases architectures from the controller and evaluates them.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/processors.h"
#include "common/base/standard_streams.h"
#include "common/base/status_macros.h"
#include "common/base/version.h"
#include "common/base/write_errors.h"
#include "common/log/log.h"
#include "common/metrics/exposer.h"
#include "common/process/child_process.h"
#include "common/process/limits.h"
#include "common/process/ready_file.h"
#include "common/process/stop_signals.h"
#include "common/rpc/idle_polling.h"
#include "common/rpc/library_logs.h"
#include "common/rpc/transport.h"
#include "worker/agent/agent.h"
#include "worker/evaluator/memory_retry.h"
#include "worker/options.h"

namespace layernas {
namespace {

// Open files per child while it starts; all children may start at the same time. They are both ends
// of five pipes: the child's standard streams, one that stops its reader thread, and one that
// reports a failed start. A running child keeps five of them open, and ending it takes two more.
constexpr rlim_t kFilesPerChild = 10;
// The connections, the log and the guardian.
constexpr rlim_t kOwnFiles = 64;

// Returns what a child needs to know about its slot. More threads than cores make trainers many
// times slower. So each slot gets its share of the cores, unless the user sets the variable.
std::vector<std::pair<std::string, std::string>> SlotEnvironment(int slot, int slots) {
  std::vector<std::pair<std::string, std::string>> environment = {{"LAYERNAS_SLOT", std::to_string(slot)}};
  if (std::getenv("OMP_NUM_THREADS") == nullptr) {
    environment.emplace_back("OMP_NUM_THREADS", std::to_string(std::max(1, UsableProcessors() / slots)));
  }
  return environment;
}

// Checks the limit now, instead of failing in the first trainings of a search.
absl::Status RaiseFilesFor(const WorkerOptions& options) {
  const rlim_t limit = RaiseOpenFileLimit();
  if (!options.exec) return absl::OkStatus();
  const rlim_t wanted = kOwnFiles + kFilesPerChild * static_cast<rlim_t>(options.agent.slots);
  if (wanted <= limit) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("cannot run ", options.agent.slots, " slots: they need up to ",
                                                    wanted, " open files, and the limit is ", limit,
                                                    "; lower --slots or raise the limit (ulimit -n)"));
}

absl::StatusOr<EvaluatorFactory> MakeFactory(const WorkerOptions& options) {
  if (options.table) {
    LAYERNAS_ASSIGN_OR_RETURN(auto table, ResultTable::Load(*options.table));
    log::Info("loaded the table", {{"file", options.table->path}, {"architectures", table->size()}});
    return [table = std::move(table), delay = options.delay](int) {
      return std::make_unique<TabularEvaluator>(table, delay);
    };
  }
  return [exec = *options.exec, slots = options.agent.slots, weights_dir = options.weights_dir,
          machine = std::make_shared<SharedMachine>()](int slot) {
    ExecOptions of_slot = exec;
    of_slot.environment = SlotEnvironment(slot, slots);
    of_slot.environment.emplace_back("LAYERNAS_WEIGHTS_DIR", weights_dir);
    return std::make_unique<MemoryRetryEvaluator>(std::make_unique<ExecEvaluator>(std::move(of_slot)), machine);
  };
}

// Signals within this time after the first are the same request.
constexpr std::chrono::seconds kSameRequest{1};

// Runs the agent until a signal has drained it. All threads block the signals; this function waits
// for them.
absl::Status RunUntilSignal(Agent& agent, const sigset_t& signals) {
  absl::Status status;
  std::atomic<bool> finished = false;
  std::thread running;
  try {
    running = std::thread([&agent, &finished, &status] {
      status = agent.Run();
      finished = true;
      kill(getpid(), SIGUSR1);
    });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError("cannot start a thread: " + error.code().message());
  }
  std::optional<SteadyTime> first;
  while (!finished) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0 || signal == SIGUSR1) continue;
    const SteadyTime now = std::chrono::steady_clock::now();
    // timeout(1) and other programs signal a process and then its group. That is one request.
    if (first && now - *first < kSameRequest) continue;
    if (first) {
      // Do not log, and do not wait for the log. The kernel kills the direct children with this
      // process, but not what they started.
      ChildProcess::KillAll();
      _exit(EXIT_FAILURE);
    }
    first = now;
    agent.Drain();
    log::Info("draining after a signal; to exit at once, send another one after a second",
              {{"signal", strsignal(signal)}});
  }
  running.join();
  return status;
}

absl::Status RunWorker(WorkerOptions options, const sigset_t& signals) {
  LAYERNAS_RETURN_IF_ERROR(RaiseFilesFor(options));
  LAYERNAS_ASSIGN_OR_RETURN(EvaluatorFactory factory, MakeFactory(options));
  const auto registry = std::make_shared<prometheus::Registry>();
  WorkerMetrics metrics(*registry, options.agent.slots, options.agent.labels);
  LAYERNAS_ASSIGN_OR_RETURN(const auto exposer, MetricsExposer::Start(options.metrics_listen, registry,
                                                                      options.security.tls.certificate_file));
  LAYERNAS_ASSIGN_OR_RETURN(const auto channel, rpc::MakeChannel(options.controller, options.security));
  auto client = std::make_unique<ControllerClient>(v1::WorkerService::NewStub(channel), options.controller.ToString());
  log::Info("worker runs", {{"id", options.agent.worker_id},
                            {"version", Version()},
                            {"controller", options.controller.ToString()},
                            {"slots", options.agent.slots},
                            {"metrics", exposer->address().ToString()}});
  if (!options.weights_fault.empty()) {
    log::Warning("cannot keep the networks of winners; choose a writable --weights-dir",
                 {{"why", options.weights_fault}});
  }
  Agent agent(options.agent, std::move(client), std::move(factory), metrics);
  if (!options.ready_file.empty()) {
    const nlohmann::json ready = {{"metrics_address", exposer->address().ToString()}};
    LAYERNAS_RETURN_IF_ERROR(WriteReadyFile(options.ready_file, ready.dump() + "\n"));
  }
  return RunUntilSignal(agent, signals);
}

int Main(int argc, char** argv) {
  FillStandardStreams();
  // If the reader of the log goes away, the worker continues: trainings are running.
  IgnorePipeSignal();
  IgnoreFileSizeSignal();
  // Block the signals before any thread starts, so that all threads inherit the mask.
  sigset_t signals = StopSignals();
  sigaddset(&signals, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  auto options = ParseOptions(argc, argv);
  if (!options.ok()) {
    std::fprintf(stderr, "layernas-worker: %s\n", std::string(options.status().message()).c_str());
    return 2;
  }
  log::Init("layernas-worker", options->log_level);
  rpc::RouteLibraryLogs();
  rpc::LookOftenAfterIdleConnections();
  if (const absl::Status status = RunWorker(*std::move(options), signals); !status.ok()) {
    log::Error(std::string(status.message()));
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace layernas

int main(int argc, char** argv) {
  try {
    return layernas::Main(argc, argv);
  } catch (const std::system_error& error) {
    // For example, the log's thread could not be started, so this cannot be logged.
    std::fprintf(stderr, "layernas-worker: cannot start: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
