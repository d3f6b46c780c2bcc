// Interceptors for what the services cannot do themselves because of gRPC's interface.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "controller/access/gate.h"

namespace layernas {

// Makes the interceptors. They put the gate before the services that gRPC itself provides, health
// checking and reflection: calls that the gate refuses end with its status. They also answer calls
// of our own services whose request cannot be parsed with INVALID_ARGUMENT, if the gate admits
// them; gRPC would answer that the call does not exist. The gate must outlive the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeInterceptors(Gate& gate);

}  // namespace layernas
