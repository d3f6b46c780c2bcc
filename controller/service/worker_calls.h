// The calls of workers, between messages and the engine: checks requests, calls the engine, and
// builds answers. It does not use gRPC: the service (worker_service.h) adds the transport, and a
// simulator adds its own.
//
// A call is refused only for an error of the whole call, such as a worker without an id. One
// invalid item never affects the others. An invalid result counts as a failed attempt with that
// reason. Invalid progress is ignored. A token that was never granted is answered like an unknown
// one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/engine/engine.h"
#include "controller/service/spec_cache.h"
#include "layernas/v1/worker_service.pb.h"

namespace layernas {

// Thread-safe. `caller` is the caller that Quotas count. Each `done` is called exactly once, on one
// of the engine's threads or before the call returns. Requests and responses must live until then.
class WorkerCalls {
 public:
  // Both arguments must outlive this object.
  WorkerCalls(Engine& engine, const Clock& clock) : engine_(engine), clock_(clock) {}

  // Return INVALID_ARGUMENT with the name of the field if the call must be refused.
  static absl::Status Check(const v1::LeaseTasksRequest& request);
  // The request must have been checked. `time_left` is the time until the caller's deadline. The
  // answer is a serialized LeaseTasksResponse.
  Engine::PollId LeaseTasks(const v1::LeaseTasksRequest& request, const std::string& caller, Millis time_left,
                            std::function<void(absl::StatusOr<std::string>)> done);
  void Heartbeat(const v1::HeartbeatRequest& request, const std::string& caller, v1::HeartbeatResponse& response,
                 std::function<void(absl::Status)> done);
  void CompleteTasks(const v1::CompleteTasksRequest& request, v1::CompleteTasksResponse& response,
                     std::function<void(absl::Status)> done);
  void ReleaseTasks(const v1::ReleaseTasksRequest& request, std::function<void(absl::Status)> done);

 private:
  Engine& engine_;
  const Clock& clock_;
  // Shared with answers in progress.
  const std::shared_ptr<SpecCache> specs_ = std::make_shared<SpecCache>();
};

// Converts a lease of a heartbeat for the engine, without invalid parts: epochs that do not ascend
// from 1, and rewards that are not finite floats.
HeldLease ToHeldLease(const v1::HeldLease& wire);

// Converts a completion for the engine. A completion beyond the limits of common/base/task_limits.h
// becomes a failure with that reason.
Report ToReport(const v1::Completion& completion);

}  // namespace layernas
