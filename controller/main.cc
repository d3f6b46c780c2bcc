// The layernas-controller program.
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/synchronization/mutex.h"
#include "common/base/standard_streams.h"
#include "common/base/write_errors.h"
#include "common/log/log.h"
#include "common/process/limits.h"
#include "common/process/stop_signals.h"
#include "common/rpc/library_logs.h"
#include "controller/engine/check.h"
#include "controller/options.h"
#include "controller/server.h"
#include "controller/spec/core_config.h"

namespace {

int Check(const layernas::ControllerOptions& options) {
  const auto store = layernas::storage::Store::OpenReadOnly(options.data_dir);
  const auto report =
      store.ok() ? layernas::CheckStore(**store, [](std::string_view spec) { return layernas::ToCoreConfig(spec); })
                 : store.status();
  if (!report.ok()) {
    const absl::Status failed = layernas::storage::NameDataDirectory(report.status(), options.data_dir);
    std::fprintf(stderr, "layernas-controller: %s\n", std::string(failed.message()).c_str());
    return EXIT_FAILURE;
  }
  for (const std::string& problem : report->problems) std::printf("%s\n", problem.c_str());
  std::printf("%zu searches, %zu candidates, %zu tables: %s\n", report->searches, report->candidates, report->tables,
              report->problems.empty() ? "consistent" : "NOT consistent");
  // A script that saves the report must not take an empty file for a good one.
  if (std::fflush(stdout) != 0) {
    std::fprintf(stderr, "layernas-controller: cannot write the report: %s\n", std::strerror(errno));
    return EXIT_FAILURE;
  }
  return report->problems.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  layernas::FillStandardStreams();
  // If the reader of the log or of an answer goes away, only that write fails; the controller
  // continues.
  layernas::IgnorePipeSignal();
  layernas::IgnoreFileSizeSignal();
  const layernas::ParsedCommandLine command_line = layernas::ParseCommandLine(argc, argv);
  if (command_line.exit) return command_line.exit_code;
  const layernas::ControllerOptions& options = command_line.options;
  if (options.check) return Check(options);
  layernas::log::Init("layernas-controller", options.log_level);
  // Specs and results are only for callers with a token, and not for every user of the machine.
  // Data and backups are therefore private, whatever umask the controller was started with.
  umask(S_IRWXG | S_IRWXO);
  // Each worker has a connection.
  layernas::RaiseOpenFileLimit();
  // gRPC's library checks for deadlocks at every lock, which takes several percent of the time of
  // every call.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  layernas::rpc::RouteLibraryLogs();

  // Blocked before any thread starts, so that only this thread takes the signals, when it is ready.
  const sigset_t signals = layernas::StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  auto server = layernas::ControllerServer::Start(options);
  if (!server.ok()) {
    layernas::log::Flush();
    std::fprintf(stderr, "layernas-controller: %s\n", std::string(server.status().message()).c_str());
    return EXIT_FAILURE;
  }
  int signal = 0;
  sigwait(&signals, &signal);
  return EXIT_SUCCESS;
}
