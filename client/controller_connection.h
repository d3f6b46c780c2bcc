// Calls to the controller. Each call has a deadline, and errors say what to do.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/rpc/transport.h"
#include "layernas/v1/admin_service.grpc.pb.h"
#include "layernas/v1/fleet_service.grpc.pb.h"
#include "layernas/v1/search_service.grpc.pb.h"

namespace layernas::client {

// Thread-safe.
class ControllerConnection {
 public:
  // Default deadline of a call.
  static constexpr std::chrono::seconds kDeadline{20};

  // The connection is opened by the first call. INVALID_ARGUMENT for a malformed address; other
  // errors name a file of `security`.
  static absl::StatusOr<std::unique_ptr<ControllerConnection>> Create(const std::string& address,
                                                                      const rpc::ChannelSecurity& security);

  // For example Call(&v1::SearchService::Stub::GetSearch, request).
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, std::chrono::seconds deadline = kDeadline) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    Response response;
    Stub* stub = nullptr;
    GetStub(stub);
    const grpc::Status status = (stub->*method)(&context, request, &response);
    if (!status.ok()) return Explain(status, deadline);
    return response;
  }

  v1::SearchService::Stub& searches() { return *searches_; }
  const std::string& address() const { return address_; }

  // Converts the status of a failed call. If the controller is unreachable, the message says so and
  // what to do.
  absl::Status Explain(const grpc::Status& status, std::chrono::seconds deadline = kDeadline) const;

 private:
  ControllerConnection(std::string address, const std::shared_ptr<grpc::Channel>& channel);

  void GetStub(v1::SearchService::Stub*& stub) { stub = searches_.get(); }
  void GetStub(v1::FleetService::Stub*& stub) { stub = fleet_.get(); }
  void GetStub(v1::AdminService::Stub*& stub) { stub = admin_.get(); }

  const std::string address_;
  const std::unique_ptr<v1::SearchService::Stub> searches_;
  const std::unique_ptr<v1::FleetService::Stub> fleet_;
  const std::unique_ptr<v1::AdminService::Stub> admin_;
};

}  // namespace layernas::client
