// The calls of workers between the wire and the engine: what is checked, what is asked, what is answered. No gRPC: the
// service (worker_service.h) adds the transport, a simulator its own.
//
// A call is refused only for what concerns all of it, such as a worker without an id. One bad item never costs its
// neighbours: a result that cannot be taken counts as a failed attempt with that reason, progress that is not usable is
// left out, a token that nobody gave out is answered like one that is no longer known.
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

// Thread-safe. `caller` is who calls, as Quotas count. Each `done` is called exactly once, on one of the engine's
// threads or before the call returns; requests and responses must live until then.
class WorkerCalls {
 public:
  // Both must outlive it.
  WorkerCalls(Engine& engine, const Clock& clock) : engine_(engine), clock_(clock) {}

  // INVALID_ARGUMENT, naming the field, if the call is to be refused.
  static absl::Status Check(const v1::LeaseTasksRequest& request);
  // A request that was checked. `time_left`: until the caller gives up. The answer is a serialized LeaseTasksResponse.
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
  // Shared with the answers under way.
  const std::shared_ptr<SpecCache> specs_ = std::make_shared<SpecCache>();
};

// What a heartbeat tells the engine of a lease, without what is not usable: epochs that do not ascend from 1, rewards
// that are no finite float.
HeldLease ToHeldLease(const v1::HeldLease& wire);

// What a completion tells the engine. What is beyond the limits of common/base/task_limits.h makes it a failure with
// that reason.
Report ToReport(const v1::Completion& completion);

}  // namespace layernas
