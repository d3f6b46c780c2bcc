// layernas.v1.FleetService on top of the engine.
#pragma once

#include "controller/engine/engine.h"
#include "controller/metrics/metrics.h"
#include "controller/service/call.h"
#include "layernas/v1/fleet_service.grpc.pb.h"

namespace layernas {

class FleetServiceImpl final : public v1::FleetService::CallbackService {
 public:
  // All arguments must outlive the server.
  FleetServiceImpl(Engine& engine, Gate& gate, ControllerMetrics& metrics)
      : engine_(engine), entrance_(v1::FleetService::service_full_name(), gate, metrics) {}

  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context, const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;

 private:
  Engine& engine_;
  Entrance entrance_;
};

}  // namespace layernas
