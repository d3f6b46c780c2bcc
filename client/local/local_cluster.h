// A controller and its workers on this machine, for one search.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/stop_signal.h"
#include "common/process/child_process.h"
#include "common/process/fd.h"
#include "common/rpc/transport.h"

namespace layernas::client {

struct LocalClusterOptions {
  // Directory of layernas-controller and layernas-worker.
  std::filesystem::path programs;
  // Created if missing, with access only for the user. Empty: a temporary directory, which is
  // removed at the end unless Keep() is called.
  std::filesystem::path data_dir;
  int workers = 1;
  std::vector<std::string> worker_arguments;
};

// Other users of the machine can reach loopback too. Therefore the programs use a token of their
// own.
//
// Not thread-safe.
class LocalCluster {
 public:
  // Starts only the controller and returns when it serves. Gives up early if `stop` is requested.
  // The programs log to {data_dir}/logs. FAILED_PRECONDITION if another cluster uses the directory;
  // it is left unchanged.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Start(LocalClusterOptions options, StopSignal& stop);
  // Stops the workers, which return their tasks, and then the controller.
  ~LocalCluster();
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  // Call once, when the searches are in the state that the workers must find.
  absl::Status StartWorkers();
  // Keeps the data directory, even if it is temporary.
  void Keep() { temporary_ = false; }
  const std::filesystem::path& data_dir() const { return options_.data_dir; }

  const std::string& controller_address() const { return address_; }
  // Credentials for the controller.
  const rpc::ChannelSecurity& controller_security() const { return security_; }

  // Returns an error if the controller or all workers have ended unexpectedly.
  absl::Status Check();
  bool ControllerRuns();

 private:
  struct Program {
    std::string name;
    std::unique_ptr<ChildProcess> process;
  };

  explicit LocalCluster(LocalClusterOptions options) : options_(std::move(options)) {}

  absl::Status MakeDataDir();
  absl::Status Lock();
  std::filesystem::path ListOfTokens() const { return options_.data_dir / "tokens"; }
  absl::Status MakeToken();
  std::string WeightsDir() const;
  absl::StatusOr<Program> StartProgram(const std::string& name, std::vector<std::string> argv,
                                       const std::vector<std::string>& variables_to_clear);
  absl::Status StartController(StopSignal& stop);
  void StopPrograms();

  LocalClusterOptions options_;
  bool temporary_ = false;
  // Fixed from the start: Keep() does not change where weights go.
  bool own_weights_ = false;
  // Locked by the kernel during the lifetime of the cluster, so that a crash releases the lock.
  Fd lock_;
  std::string address_;
  rpc::ChannelSecurity security_;
  Program controller_;
  std::vector<Program> workers_;
};

}  // namespace layernas::client
