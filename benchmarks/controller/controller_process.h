// A real controller that is started for the measurement and stopped after it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/process/child_process.h"

namespace layernas::bench {

struct ControllerProcessOptions {
  std::string program;
  // Directory for the temporary directory with the controller's data; must be on the disk that is
  // measured.
  std::filesystem::path parent;
  std::string lease_duration = "30s";
};

// The controller listens only on loopback. Not thread-safe.
class ControllerProcess {
 public:
  static absl::StatusOr<std::unique_ptr<ControllerProcess>> Start(ControllerProcessOptions options);
  // Stops the controller and removes its data.
  ~ControllerProcess();

  // Ends the controller with SIGTERM or SIGKILL, and starts it again on the same data and the same
  // port.
  absl::Status Restart(bool kill);

  const std::string& address() const { return address_; }
  pid_t pid() const { return child_->pid(); }
  // Returns the time from the last start until it was ready to serve.
  double start_seconds() const { return start_seconds_; }
  // Returns the value of a series without labels from its metrics page.
  absl::StatusOr<double> ReadMetric(const std::string& name) const;

 private:
  explicit ControllerProcess(ControllerProcessOptions options) : options_(std::move(options)) {}
  absl::Status Launch();

  const ControllerProcessOptions options_;
  std::filesystem::path folder_;
  std::unique_ptr<ChildProcess> child_;
  // Chosen at the first start and kept for later ones.
  std::string address_ = "127.0.0.1:0";
  std::string metrics_address_ = "127.0.0.1:0";
  double start_seconds_ = 0;
};

}  // namespace layernas::bench
