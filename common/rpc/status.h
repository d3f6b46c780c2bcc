// The only place where gRPC's status and absl's meet; the codes are the same numbers.
#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>

#include "absl/status/status.h"

namespace layernas::rpc {

absl::Status FromGrpc(const grpc::Status& status);
// The most bytes of a message that are sent. It travels in the trailers, percent-encoded (up to three bytes for one),
// and a client refuses trailers of more than 8 KiB: it would see another error than the one it is to be told.
inline constexpr std::size_t kMaxMessageBytes = 2'500;

// A message that is too long is cut, one that is no UTF-8 repaired: gRPC would replace the whole status.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace layernas::rpc
