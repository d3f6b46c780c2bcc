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
  // Where layernas-controller and layernas-worker are.
  std::filesystem::path programs;
  // Created if missing, for its user alone. Empty: a temporary one, removed at the end unless Keep() is called.
  std::filesystem::path data_dir;
  int workers = 1;
  std::vector<std::string> worker_arguments;
};

// Others on this machine are kept out, though they can reach loopback too: the programs have a token of their own.
//
// Not thread-safe.
class LocalCluster {
 public:
  // Starts the controller alone, and returns once it serves; gives up early if `stop` is requested. What the programs
  // log goes to {data_dir}/logs. FAILED_PRECONDITION, with nothing touched, if another cluster uses the folder.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Start(LocalClusterOptions options, StopSignal& stop);
  // Ends the workers, which give their tasks back, then the controller.
  ~LocalCluster();
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  // Call once, when the searches are as the workers shall find them.
  absl::Status StartWorkers();
  // Leaves the data directory where it is, even a temporary one.
  void Keep() { temporary_ = false; }
  const std::filesystem::path& data_dir() const { return options_.data_dir; }

  const std::string& controller_address() const { return address_; }
  // To get in there.
  const rpc::ChannelSecurity& controller_security() const { return security_; }

  // What has ended that should run: an error once the controller or all workers have.
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
  absl::StatusOr<Program> StartProgram(const std::string& name, std::vector<std::string> argv);
  absl::Status StartController(StopSignal& stop);
  void StopPrograms();

  LocalClusterOptions options_;
  bool temporary_ = false;
  // Where weights go does not change with Keep().
  bool own_weights_ = false;
  // Locked while the cluster lives, by the kernel, so that no crash leaves it locked.
  Fd lock_;
  std::string address_;
  rpc::ChannelSecurity security_;
  Program controller_;
  std::vector<Program> workers_;
};

}  // namespace layernas::client
