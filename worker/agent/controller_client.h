// The worker's client of the controller's API.
#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "layernas/v1/worker_service.grpc.pb.h"

namespace layernas {

// Thread-safe. Every call has a deadline and can be cancelled from another thread. The log gets one
// line when the controller becomes unreachable and one when it is back, not one per call.
class ControllerClient {
 public:
  using Stub = v1::WorkerService::StubInterface;

  // `address` is only used in log lines.
  ControllerClient(std::unique_ptr<Stub> stub, std::string address);

  absl::Status Lease(const v1::LeaseTasksRequest& request, Millis timeout, v1::LeaseTasksResponse& response);
  absl::Status Heartbeat(const v1::HeartbeatRequest& request, Millis timeout, v1::HeartbeatResponse& response);
  absl::Status Complete(const v1::CompleteTasksRequest& request, Millis timeout, v1::CompleteTasksResponse& response);
  absl::Status Release(const v1::ReleaseTasksRequest& request, Millis timeout);

  // Cancels all Lease() calls, current and future. They return CANCELLED.
  void StopLeasing();
  // Asks again for tasks that a cancelled call may have been given. StopLeasing() does not affect
  // this call.
  absl::Status LeaseAgain(const v1::LeaseTasksRequest& request, Millis timeout, v1::LeaseTasksResponse& response);

  // Cancels all calls, current and future.
  void Shutdown();

 private:
  enum class Kind { kLease, kGoodbye, kOther };
  enum class Reach { kUnknown, kReached, kUnreachable };

  absl::Status Call(Kind kind, std::string_view name, Millis timeout,
                    const std::function<grpc::Status(grpc::ClientContext&)>& call);
  void Note(std::string_view name, const absl::Status& status);

  const std::unique_ptr<Stub> stub_;
  const std::string address_;

  Mutex mutex_;
  bool leasing_ ABSL_GUARDED_BY(mutex_) = true;
  bool calling_ ABSL_GUARDED_BY(mutex_) = true;
  // The calls in progress.
  std::map<grpc::ClientContext*, Kind> calls_ ABSL_GUARDED_BY(mutex_);
  Reach reach_ ABSL_GUARDED_BY(mutex_) = Reach::kUnknown;
};

}  // namespace layernas
