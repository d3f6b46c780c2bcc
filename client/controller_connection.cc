#include "client/controller_connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/address.h"
#include "common/rpc/status.h"
#include "common/rpc/tls.h"

namespace layernas::client {
namespace {

// Returns the last part of a gRPC message such as "failed to connect to all addresses; last error:
// UNKNOWN: ipv4:127.0.0.1:7060: Failed to connect to remote host: Connection refused".
std::string Reason(const std::string& message) {
  const std::size_t colon = message.rfind(": ");
  std::string reason = colon == std::string::npos ? message : message.substr(colon + 2);
  if (reason.size() > 1 && reason[0] >= 'A' && reason[0] <= 'Z' && reason[1] >= 'a' && reason[1] <= 'z') {
    reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
  }
  return reason.empty() ? "no reason given" : reason;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControllerConnection>> ControllerConnection::Create(
    const std::string& address, const rpc::ChannelSecurity& security) {
  const absl::StatusOr<rpc::Address> parsed = rpc::ParseAddress(address);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--controller (LAYERNAS_CONTROLLER): ", parsed.status().message()));
  }
  LAYERNAS_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, rpc::MakeChannel(*parsed, security));
  return std::unique_ptr<ControllerConnection>(new ControllerConnection(address, channel));
}

ControllerConnection::ControllerConnection(std::string address, const std::shared_ptr<grpc::Channel>& channel)
    : address_(std::move(address)),
      searches_(v1::SearchService::NewStub(channel)),
      fleet_(v1::FleetService::NewStub(channel)),
      admin_(v1::AdminService::NewStub(channel)) {}

absl::Status ControllerConnection::Explain(const grpc::Status& status, std::chrono::seconds deadline) const {
  constexpr char kWhatToDo[] = "; start layernas-controller, or set --controller or LAYERNAS_CONTROLLER";
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE: {
      const std::string advice = rpc::TlsAdvice(status.error_message());
      return absl::UnavailableError(absl::StrCat("cannot reach the controller at ", address_, " (",
                                                 Reason(status.error_message()), ")",
                                                 advice.empty() ? kWhatToDo : ": " + advice));
    }
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::DeadlineExceededError(
          absl::StrCat("the controller at ", address_, " did not answer within ", deadline.count(), " s", kWhatToDo));
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::UnimplementedError(
          absl::StrCat("the server at ", address_,
                       " does not support this call; is it a layernas-controller of the same "
                       "version?"));
    default:
      return rpc::FromGrpc(status);
  }
}

}  // namespace layernas::client
