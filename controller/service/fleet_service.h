// layernas.v1.FleetService on top of the engine.
#pragma once

#include "controller/engine/engine.h"
#include "controller/metrics/metrics.h"
#include "layernas/v1/fleet_service.grpc.pb.h"

namespace layernas {

class FleetServiceImpl final : public v1::FleetService::CallbackService {
 public:
  // Both must outlive the server.
  FleetServiceImpl(Engine& engine, ControllerMetrics& metrics) : engine_(engine), metrics_(metrics) {}

  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context, const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;

 private:
  Engine& engine_;
  ControllerMetrics& metrics_;
};

}  // namespace layernas
