// A real controller, started for the measurement and stopped after it.
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
  // Holds the temporary folder with the controller's data; on the disk that is to be measured.
  std::filesystem::path parent;
  std::string lease_duration = "30s";
};

// Listens on loopback only. Not thread-safe.
class ControllerProcess {
 public:
  static absl::StatusOr<std::unique_ptr<ControllerProcess>> Start(ControllerProcessOptions options);
  // Stops it and removes its data.
  ~ControllerProcess();

  // Ends it (by SIGTERM, or by SIGKILL) and starts it again on the same data and the same port.
  absl::Status Restart(bool kill);

  const std::string& address() const { return address_; }
  pid_t pid() const { return child_->pid(); }
  // From its start to its readiness to serve, of the last start.
  double start_seconds() const { return start_seconds_; }
  // The value of a series without labels on its metrics page.
  absl::StatusOr<double> ReadMetric(const std::string& name) const;

 private:
  explicit ControllerProcess(ControllerProcessOptions options) : options_(std::move(options)) {}
  absl::Status Launch();

  const ControllerProcessOptions options_;
  std::filesystem::path folder_;
  std::unique_ptr<ChildProcess> child_;
  // Of the first start, kept for the others.
  std::string address_ = "127.0.0.1:0";
  std::string metrics_address_ = "127.0.0.1:0";
  double start_seconds_ = 0;
};

}  // namespace layernas::bench
