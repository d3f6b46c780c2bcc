// The controller as a whole: store, engine, services, metrics; started and stopped in the right order.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "controller/options.h"

namespace layernas {

class ControllerServer {
 public:
  // Serves when it returns; the ready file is written. The data folder is taken before the port, so that of two
  // controllers on one folder only one ever serves.
  static absl::StatusOr<std::unique_ptr<ControllerServer>> Start(const ControllerOptions& options);
  // Stops handing out, answers what is parked, takes what is under way, then closes everything.
  ~ControllerServer();

 private:
  struct Parts;
  explicit ControllerServer(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace layernas
