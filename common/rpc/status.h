// The only place where gRPC's status and absl's meet; the codes are the same numbers.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace layernas::rpc {

absl::Status FromGrpc(const grpc::Status& status);
// A message that is no UTF-8 is repaired: gRPC would replace the whole status.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace layernas::rpc
