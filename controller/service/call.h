// Unary calls, from their arrival to their answer.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>
#include <prometheus/histogram.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/rpc/status.h"
#include "controller/access/gate.h"
#include "controller/metrics/metrics.h"
#include "controller/service/call_limit.h"

namespace layernas {

// One call: measures its time and finishes its reactor once. It can be copied, so it fits into a
// std::function. Call Finish() once, on one of the copies, unless the call was refused.
class Call {
 public:
  Call(grpc::ServerUnaryReactor* reactor, prometheus::Histogram& seconds, const absl::StatusOr<std::string>& admitted)
      : reactor_(reactor),
        seconds_(&seconds),
        begin_(std::chrono::steady_clock::now()),
        refused_(!admitted.ok()),
        caller_(admitted.ok() ? *admitted : "") {
    if (refused_) Finish(admitted.status());
  }

  // Returns whether the caller may not make this call. The caller was already told; do nothing for
  // it.
  bool refused() const { return refused_; }
  // Returns the caller (Gate::Admit); empty if refused.
  const std::string& caller() const { return caller_; }

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

  // Returns the same call, whose end is also told to the limit.
  Call Within(CallLimit& limit) const {
    Call call = *this;
    call.limit_ = &limit;
    return call;
  }

  void Finish(const absl::Status& status) const {
    // First: when the last call is finished, the server may end.
    if (limit_ != nullptr) limit_->Done();
    seconds_->Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count());
    reactor_->Finish(rpc::ToGrpc(status));
  }

 private:
  grpc::ServerUnaryReactor* reactor_;
  prometheus::Histogram* seconds_;
  std::chrono::steady_clock::time_point begin_;
  bool refused_;
  std::string caller_;
  CallLimit* limit_ = nullptr;
};

// The entrance of a service's calls: do nothing for a call that has not passed it.
class Entrance {
 public:
  // `service` is the full name. Gate and metrics must outlive this object.
  Entrance(std::string service, Gate& gate, ControllerMetrics& metrics)
      : service_(std::move(service)), gate_(gate), metrics_(metrics) {}

  // `method` is the name within the service.
  Call Begin(grpc::CallbackServerContext* context, const std::string& method) {
    return Begin(*context, context->DefaultReactor(), method);
  }
  Call Begin(const grpc::CallbackServerContext& context, grpc::ServerUnaryReactor* reactor, const std::string& method) {
    return Begin(context, reactor, method, metrics_.RpcSeconds(method));
  }
  // For frequent calls, for which looking up the histogram would be too expensive.
  Call Begin(const grpc::CallbackServerContext& context, grpc::ServerUnaryReactor* reactor, const std::string& method,
             prometheus::Histogram& seconds) {
    return {reactor, seconds, Identify(context, method)};
  }

  // Begins a call of a user when there is room for it: calls `begin` with the call to finish. Calls
  // of workers never wait. Finishes the call if the caller has gone meanwhile, or has too many.
  void InTurn(const Call& call, const grpc::CallbackServerContext* context,
              std::function<void(const Call& call)> begin) {
    const absl::Status status = limit_.Begin(call.caller(), [this, call, context, begin = std::move(begin)] {
      const Call within = call.Within(limit_);
      if (context->IsCancelled()) {
        within.Finish(absl::CancelledError("the caller is gone"));
      } else {
        begin(within);
      }
    });
    if (!status.ok()) call.Finish(status);
  }

  // For streams, which do not use Call.
  absl::Status Admit(const grpc::CallbackServerContext& context, const std::string& method) {
    return Identify(context, method).status();
  }

  Gate& gate() { return gate_; }

 private:
  absl::StatusOr<std::string> Identify(const grpc::CallbackServerContext& context, const std::string& method) {
    return gate_.Admit(context, "/" + service_ + "/" + method);
  }

  // Calls of users that are in progress at once, and that may wait for one caller. A page takes
  // milliseconds on the thread that also answers heartbeats.
  static constexpr std::size_t kMaxRunning = 4;
  static constexpr std::size_t kMaxWaiting = 256;

  const std::string service_;
  Gate& gate_;
  ControllerMetrics& metrics_;
  CallLimit limit_{kMaxRunning, kMaxWaiting};
};

}  // namespace layernas
