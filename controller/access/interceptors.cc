#include "controller/access/interceptors.h"

#include <grpc/grpc.h>

#include <string>

#include "common/rpc/status.h"
#include "controller/access/methods.h"

namespace layernas {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

// Runs before a service of gRPC itself. Lives as long as its call.
class GateBefore final : public Interceptor {
 public:
  GateBefore(Gate& gate, ServerRpcInfo& call) : gate_(gate), call_(call) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      const absl::Status status = Check(*methods->GetRecvInitialMetadata());
      if (!status.ok()) {
        // The service still runs, but its answer comes after the end of the call.
        const grpc::Status end = rpc::ToGrpc(status);
        grpc_call_cancel_with_status(call_.server_context()->c_call(), static_cast<grpc_status_code>(end.error_code()),
                                     end.error_message().c_str(), nullptr);
      }
    }
    methods->Proceed();
  }

 private:
  absl::Status Check(const Gate::Metadata& metadata) {
    const std::string peer = call_.server_context()->peer();
    if (absl::Status status = gate_.Admit(metadata, peer, call_.method()).status(); !status.ok()) return status;
    if (call_.type() == ServerRpcInfo::Type::UNARY) return absl::OkStatus();
    absl::StatusOr<OpenCalls::Place> place = gate_.EnterStream(peer);
    if (place.ok()) place_ = *std::move(place);
    return place.status();
  }

  Gate& gate_;
  ServerRpcInfo& call_;
  OpenCalls::Place place_;
};

// Runs on calls of our own services. These never end as UNIMPLEMENTED, so that status is gRPC's
// answer to an invalid request.
class RubbishAnswer final : public Interceptor {
 public:
  RubbishAnswer(Gate& gate, ServerRpcInfo& call) : gate_(gate), call_(call) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS) &&
        methods->GetSendStatus().error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      const grpc::ServerContextBase& context = *call_.server_context();
      absl::Status status = gate_.Admit(context.client_metadata(), context.peer(), call_.method()).status();
      if (status.ok())
        status = absl::InvalidArgumentError("cannot parse the request: it is not a valid message for this call");
      methods->ModifySendStatus(rpc::ToGrpc(status));
    }
    methods->Proceed();
  }

 private:
  Gate& gate_;
  ServerRpcInfo& call_;
};

class Interceptors final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Interceptors(Gate& gate) : gate_(gate) {}

  Interceptor* CreateServerInterceptor(ServerRpcInfo* call) override {
    if (std::string_view(call->method()).starts_with("/grpc.")) return new GateBefore(gate_, *call);
    // For unknown calls gRPC's own answer is right.
    return AccessOf(call->method()) ? new RubbishAnswer(gate_, *call) : nullptr;
  }

 private:
  Gate& gate_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeInterceptors(Gate& gate) {
  return std::make_unique<Interceptors>(gate);
}

}  // namespace layernas
