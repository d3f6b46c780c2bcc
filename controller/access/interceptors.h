// What the services themselves can't see to, for gRPC leaves them no room for it.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "controller/access/gate.h"

namespace layernas {

// Puts the gate before the services that gRPC brings along, health checking and reflection: calls that it does not
// admit end with its status. Calls of our own services whose request can't be parsed end as INVALID_ARGUMENT, where the
// gate lets them in at all; gRPC would say that there is no such call. The gate must outlive the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeInterceptors(Gate& gate);

}  // namespace layernas
