#include "worker/agent/controller_client.h"

#include <utility>

#include "common/log/log.h"
#include "common/rpc/status.h"
#include "common/rpc/tls.h"

namespace layernas {

ControllerClient::ControllerClient(std::unique_ptr<Stub> stub, std::string address)
    : stub_(std::move(stub)), address_(std::move(address)) {}

absl::Status ControllerClient::Lease(const v1::LeaseTasksRequest& request, Millis timeout,
                                     v1::LeaseTasksResponse& response) {
  return Call(Kind::kLease, "LeaseTasks", timeout,
              [&](grpc::ClientContext& context) { return stub_->LeaseTasks(&context, request, &response); });
}

absl::Status ControllerClient::Heartbeat(const v1::HeartbeatRequest& request, Millis timeout,
                                         v1::HeartbeatResponse& response) {
  return Call(Kind::kOther, "Heartbeat", timeout,
              [&](grpc::ClientContext& context) { return stub_->Heartbeat(&context, request, &response); });
}

absl::Status ControllerClient::Complete(const v1::CompleteTasksRequest& request, Millis timeout,
                                        v1::CompleteTasksResponse& response) {
  return Call(Kind::kOther, "CompleteTasks", timeout,
              [&](grpc::ClientContext& context) { return stub_->CompleteTasks(&context, request, &response); });
}

absl::Status ControllerClient::Release(const v1::ReleaseTasksRequest& request, Millis timeout) {
  v1::ReleaseTasksResponse response;
  return Call(request.leaving() ? Kind::kGoodbye : Kind::kOther, "ReleaseTasks", timeout,
              [&](grpc::ClientContext& context) { return stub_->ReleaseTasks(&context, request, &response); });
}

absl::Status ControllerClient::LeaseAgain(const v1::LeaseTasksRequest& request, Millis timeout,
                                          v1::LeaseTasksResponse& response) {
  return Call(Kind::kOther, "LeaseTasks", timeout,
              [&](grpc::ClientContext& context) { return stub_->LeaseTasks(&context, request, &response); });
}

void ControllerClient::StopLeasing() {
  MutexLock lock(mutex_);
  leasing_ = false;
  for (const auto& [context, kind] : calls_) {
    if (kind == Kind::kLease) context->TryCancel();
  }
}

void ControllerClient::Shutdown() {
  MutexLock lock(mutex_);
  calling_ = false;
  for (const auto& [context, kind] : calls_) context->TryCancel();
}

absl::Status ControllerClient::Call(Kind kind, std::string_view name, Millis timeout,
                                    const std::function<grpc::Status(grpc::ClientContext&)>& call) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  {
    MutexLock lock(mutex_);
    if (!calling_ || (kind == Kind::kLease && !leasing_)) return absl::CancelledError("shutting down");
    calls_.emplace(&context, kind);
  }
  absl::Status status = rpc::FromGrpc(call(context));
  {
    MutexLock lock(mutex_);
    calls_.erase(&context);
  }
  // An older controller refuses a goodbye, which does no harm.
  if (kind != Kind::kGoodbye) Note(name, status);
  return status;
}

void ControllerClient::Note(std::string_view name, const absl::Status& status) {
  // The worker itself cancels most such calls, so they say nothing about the controller.
  if (absl::IsCancelled(status)) return;
  const bool reached = !absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status);
  const Reach now = reached ? Reach::kReached : Reach::kUnreachable;
  Reach before;
  {
    MutexLock lock(mutex_);
    before = std::exchange(reach_, now);
  }
  if (now == Reach::kUnreachable && before != now) {
    const std::string advice = rpc::TlsAdvice(std::string_view(status.message().data(), status.message().size()));
    log::Warning("cannot reach the controller; retrying",
                 {{"controller", address_},
                  {"error", status.ToString()},
                  {"advice", advice.empty() ? "check --controller or LAYERNAS_CONTROLLER" : advice}});
  }
  if (now == Reach::kReached && before != now) {
    log::Info(before == Reach::kUnknown ? "reached the controller" : "the controller is back",
              {{"controller", address_}});
  }
  if (reached && !status.ok()) {
    log::Warning("the controller refuses a call; retrying", {{"call", name}, {"error", status.ToString()}});
  }
}

}  // namespace layernas
