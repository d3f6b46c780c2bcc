// layernas.v1.WorkerService on top of the engine.
#pragma once

#include "controller/engine/engine.h"
#include "controller/metrics/metrics.h"
#include "controller/service/arena_messages.h"
#include "controller/service/call.h"
#include "controller/service/worker_calls.h"
#include "layernas/v1/worker_service.grpc.pb.h"

namespace layernas {

// LeaseTasks is answered in bytes, because most of its content is known in advance. The other calls
// use messages.
using WorkerMethods = v1::WorkerService::WithRawCallbackMethod_LeaseTasks<
    v1::WorkerService::WithCallbackMethod_Heartbeat<v1::WorkerService::WithCallbackMethod_CompleteTasks<
        v1::WorkerService::WithCallbackMethod_ReleaseTasks<v1::WorkerService::Service>>>>;

// No call blocks. A LeaseTasks call waits in the engine, which answers it at least about a second
// before its deadline.
class WorkerServiceImpl final : public WorkerMethods {
 public:
  // All arguments must outlive the server.
  WorkerServiceImpl(Engine& engine, Gate& gate, ControllerMetrics& metrics, const Clock& clock);

  grpc::ServerUnaryReactor* LeaseTasks(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context, const v1::HeartbeatRequest* request,
                                      v1::HeartbeatResponse* response) override;
  grpc::ServerUnaryReactor* CompleteTasks(grpc::CallbackServerContext* context, const v1::CompleteTasksRequest* request,
                                          v1::CompleteTasksResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseTasks(grpc::CallbackServerContext* context, const v1::ReleaseTasksRequest* request,
                                         v1::ReleaseTasksResponse* response) override;

 private:
  Engine& engine_;
  Entrance entrance_;
  WorkerCalls calls_;
  prometheus::Histogram& lease_seconds_;
  prometheus::Histogram& heartbeat_seconds_;
  prometheus::Histogram& complete_seconds_;
  prometheus::Histogram& release_seconds_;
  ArenaMessages<v1::CompleteTasksRequest, v1::CompleteTasksResponse> complete_messages_;
};

}  // namespace layernas
