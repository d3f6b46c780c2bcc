// One unary call from its arrival to its answer: times it and finishes its reactor once.
#pragma once

#include <grpcpp/support/server_callback.h>
#include <prometheus/histogram.h>

#include <chrono>

#include "absl/status/status.h"
#include "common/rpc/status.h"

namespace layernas {

// Copyable, so that it fits into a std::function; Finish() is to be called on one copy, once.
class Call {
 public:
  Call(grpc::ServerUnaryReactor* reactor, prometheus::Histogram& seconds)
      : reactor_(reactor), seconds_(&seconds), begin_(std::chrono::steady_clock::now()) {}

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

  void Finish(const absl::Status& status) const {
    seconds_->Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count());
    reactor_->Finish(rpc::ToGrpc(status));
  }

 private:
  grpc::ServerUnaryReactor* reactor_;
  prometheus::Histogram* seconds_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace layernas
