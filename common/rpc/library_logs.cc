#include "common/rpc/library_logs.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "common/log/log.h"
#include "common/log/rate_limit.h"

namespace layernas::rpc {
namespace {

constexpr Millis kPeriod{5'000};

void WriteGrpcMessage(gpr_log_func_args* args) {
  // Never destroyed, because gRPC's threads may outlive main().
  static auto& limit = *new log::RateLimit(kPeriod);
  if (std::strstr(args->message, "assertion failed") != nullptr) {
    // gRPC calls abort() next.
    log::Error("gRPC aborts", {{"message", args->message}});
    log::Flush();
  } else if (args->severity != GPR_LOG_SEVERITY_ERROR) {
    // GRPC_VERBOSITY has requested this message.
    log::Debug("gRPC", {{"message", args->message}});
  } else if (const auto left_out = limit.Take()) {
    log::Warning("gRPC reports an error", {{"message", args->message}, {"left_out_before", *left_out}});
  }
}

void WriteProtobufMessage(google::protobuf::LogLevel level, const char*, int, const std::string& message) {
  static auto& limit = *new log::RateLimit(kPeriod);
  if (level < google::protobuf::LOGLEVEL_WARNING) return;
  if (level == google::protobuf::LOGLEVEL_FATAL) {
    // protobuf calls abort() next, or throws an exception that nobody expects.
    log::Error("protobuf aborts", {{"message", message}});
    log::Flush();
  } else if (const auto left_out = limit.Take()) {
    log::Warning("protobuf reports an error", {{"message", message}, {"left_out_before", *left_out}});
  }
}

}  // namespace

void RouteLibraryLogs() {
  gpr_set_log_function(WriteGrpcMessage);
  google::protobuf::SetLogHandler(WriteProtobufMessage);
}

void SilenceLibraryLogs() {
  if (std::getenv("GRPC_VERBOSITY") != nullptr) return;
  gpr_set_log_function([](gpr_log_func_args*) {});
  google::protobuf::SetLogHandler(nullptr);
}

}  // namespace layernas::rpc
