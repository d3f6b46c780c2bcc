#include "common/rpc/status.h"

#include <string>

#include "common/base/utf8.h"

namespace layernas::rpc {

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string_view message(status.message().data(), status.message().size());
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), CutUtf8(message, kMaxMessageBytes));
}

}  // namespace layernas::rpc
