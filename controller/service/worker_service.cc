#include "controller/service/worker_service.h"

#include "controller/service/call.h"

namespace layernas {
namespace {

// The reactor of a LeaseTasks call. If the caller goes away, it cancels the poll.
class LeaseReactor final : public grpc::ServerUnaryReactor {
 public:
  explicit LeaseReactor(Engine& engine) : engine_(engine) {}

  // Call it before the poll waits in the engine. Returns RESOURCE_EXHAUSTED if the peer has too
  // many.
  absl::Status Enter(Gate& gate, const std::string& peer) {
    absl::StatusOr<OpenCalls::Place> place = gate.EnterPoll(peer);
    if (place.ok()) place_ = *std::move(place);
    return place.status();
  }
  // Called before the handler returns: gRPC does not cancel calls before they have a reactor.
  void set_poll(Engine::PollId poll) { poll_ = poll; }

  void OnCancel() override {
    if (poll_ != 0) engine_.CancelPoll(poll_);
  }
  void OnDone() override { delete this; }

 private:
  Engine& engine_;
  Engine::PollId poll_ = 0;
  OpenCalls::Place place_;
};

}  // namespace

WorkerServiceImpl::WorkerServiceImpl(Engine& engine, Gate& gate, ControllerMetrics& metrics, const Clock& clock)
    : engine_(engine),
      entrance_(v1::WorkerService::service_full_name(), gate, metrics),
      calls_(engine, clock),
      lease_seconds_(metrics.RpcSeconds("LeaseTasks")),
      heartbeat_seconds_(metrics.RpcSeconds("Heartbeat")),
      complete_seconds_(metrics.RpcSeconds("CompleteTasks")),
      release_seconds_(metrics.RpcSeconds("ReleaseTasks")) {
  SetMessageAllocatorFor_CompleteTasks(&complete_messages_);
}

grpc::ServerUnaryReactor* WorkerServiceImpl::LeaseTasks(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* bytes, grpc::ByteBuffer* response) {
  auto* reactor = new LeaseReactor(engine_);
  const Call call = entrance_.Begin(*context, reactor, "LeaseTasks", lease_seconds_);
  if (call.refused()) return reactor;
  v1::LeaseTasksRequest request;
  // Takes the bytes, which no one else needs.
  grpc::ByteBuffer taken = *bytes;
  absl::Status status = rpc::FromGrpc(grpc::SerializationTraits<v1::LeaseTasksRequest>::Deserialize(&taken, &request));
  if (status.ok()) status = WorkerCalls::Check(request);
  if (status.ok()) status = reactor->Enter(entrance_.gate(), context->peer());
  if (!status.ok()) {
    call.Finish(status);
    return reactor;
  }
  const auto left = std::chrono::duration_cast<Millis>(context->deadline() - std::chrono::system_clock::now());
  reactor->set_poll(
      calls_.LeaseTasks(request, call.caller(), left, [call, response](const absl::StatusOr<std::string>& answer) {
        if (answer.ok()) {
          const grpc::Slice slice(*answer);
          *response = grpc::ByteBuffer(&slice, 1);
        }
        call.Finish(answer.status());
      }));
  return reactor;
}

grpc::ServerUnaryReactor* WorkerServiceImpl::Heartbeat(grpc::CallbackServerContext* context,
                                                       const v1::HeartbeatRequest* request,
                                                       v1::HeartbeatResponse* response) {
  const Call call = entrance_.Begin(*context, context->DefaultReactor(), "Heartbeat", heartbeat_seconds_);
  if (call.refused()) return call.reactor();
  calls_.Heartbeat(*request, call.caller(), *response, [call](const absl::Status& status) { call.Finish(status); });
  return call.reactor();
}

grpc::ServerUnaryReactor* WorkerServiceImpl::CompleteTasks(grpc::CallbackServerContext* context,
                                                           const v1::CompleteTasksRequest* request,
                                                           v1::CompleteTasksResponse* response) {
  const Call call = entrance_.Begin(*context, context->DefaultReactor(), "CompleteTasks", complete_seconds_);
  if (call.refused()) return call.reactor();
  calls_.CompleteTasks(*request, *response, [call](const absl::Status& status) { call.Finish(status); });
  return call.reactor();
}

grpc::ServerUnaryReactor* WorkerServiceImpl::ReleaseTasks(grpc::CallbackServerContext* context,
                                                          const v1::ReleaseTasksRequest* request,
                                                          v1::ReleaseTasksResponse*) {
  const Call call = entrance_.Begin(*context, context->DefaultReactor(), "ReleaseTasks", release_seconds_);
  if (call.refused()) return call.reactor();
  calls_.ReleaseTasks(*request, [call](const absl::Status& status) { call.Finish(status); });
  return call.reactor();
}

}  // namespace layernas
