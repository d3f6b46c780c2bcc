// The whole controller: store, engine, services and metrics, started and stopped in the right
// order.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "controller/options.h"

namespace layernas {

class ControllerServer {
 public:
  // Starts the controller. When it returns, the controller serves and the ready file is written. It
  // locks the data directory before it opens the port, so of two controllers on one directory only
  // one ever serves.
  static absl::StatusOr<std::unique_ptr<ControllerServer>> Start(const ControllerOptions& options);
  // Stops handing out tasks, answers waiting calls, finishes calls in progress, then closes
  // everything.
  ~ControllerServer();

 private:
  struct Parts;
  explicit ControllerServer(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace layernas
