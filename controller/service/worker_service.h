// layernas.v1.WorkerService on top of the engine.
#pragma once

#include "controller/engine/engine.h"
#include "controller/metrics/metrics.h"
#include "layernas/v1/worker_service.grpc.pb.h"

namespace layernas {

// Nothing here blocks. LeaseTasks parks its call in the engine, which answers it about a second before its deadline at
// the latest.
class WorkerServiceImpl final : public v1::WorkerService::CallbackService {
 public:
  // All must outlive the server.
  WorkerServiceImpl(Engine& engine, ControllerMetrics& metrics, const Clock& clock);

  grpc::ServerUnaryReactor* LeaseTasks(grpc::CallbackServerContext* context, const v1::LeaseTasksRequest* request,
                                       v1::LeaseTasksResponse* response) override;
  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context, const v1::HeartbeatRequest* request,
                                      v1::HeartbeatResponse* response) override;
  grpc::ServerUnaryReactor* CompleteTasks(grpc::CallbackServerContext* context, const v1::CompleteTasksRequest* request,
                                          v1::CompleteTasksResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseTasks(grpc::CallbackServerContext* context, const v1::ReleaseTasksRequest* request,
                                         v1::ReleaseTasksResponse* response) override;

 private:
  Engine& engine_;
  ControllerMetrics& metrics_;
  const Clock& clock_;
};

}  // namespace layernas
