// Conversions between gRPC's status and absl's; their codes are the same numbers. No other code
// converts them.
#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>

#include "absl/status/status.h"

namespace layernas::rpc {

absl::Status FromGrpc(const grpc::Status& status);
// The maximum number of bytes of a message that is sent. The message is sent in the trailers,
// percent-encoded (up to three bytes for one). A client refuses trailers of more than 8 KiB, and
// would then report another error.
inline constexpr std::size_t kMaxMessageBytes = 2'500;

// Shortens a message that is too long and repairs one that is not UTF-8. Otherwise gRPC would
// replace the whole status.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace layernas::rpc
