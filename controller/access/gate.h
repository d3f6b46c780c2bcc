// What every call passes before anything else is done for it.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/string_ref.h>

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/log/rate_limit.h"
#include "controller/access/open_calls.h"
#include "controller/access/token_file.h"
#include "controller/metrics/metrics.h"

namespace layernas {

struct GateOptions {
  // Open calls from one host: of LeaseTasks, and streams that last as long as their caller likes.
  int polls_per_host = 1024;
  int streams_per_host = 256;
};

// Counts what it refuses, and logs it without the token, at most one line every few seconds for each reason.
// Thread-safe.
class Gate {
 public:
  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

  // Without `tokens` everyone may make every call. Tokens and metrics must outlive the gate.
  Gate(const TokenFile* tokens, const GateOptions& options, ControllerMetrics& metrics);

  // Whether the caller may make the call; `method` is its full name. UNAUTHENTICATED without a token that is known,
  // PERMISSION_DENIED if the role of the token does not permit it.
  // Otherwise returns who calls, as quotas tell callers apart: the name of the token, or the host without tokens.
  absl::StatusOr<std::string> Admit(const Metadata& metadata, const std::string& peer, std::string_view method);
  absl::StatusOr<std::string> Admit(const grpc::CallbackServerContext& context, std::string_view method);

  // The call stays open until its place is given up. RESOURCE_EXHAUSTED if its host has too many.
  absl::StatusOr<OpenCalls::Place> EnterPoll(const std::string& peer);
  absl::StatusOr<OpenCalls::Place> EnterStream(const std::string& peer);

 private:
  struct Reason {
    prometheus::Counter& refused;
    log::RateLimit limit;
  };

  absl::Status Refuse(Reason& reason, absl::Status status, const std::string& peer, std::string_view method,
                      std::string_view caller);
  absl::StatusOr<OpenCalls::Place> Enter(OpenCalls& calls, Reason& reason, const std::string& peer,
                                         std::string_view method);

  const TokenFile* const tokens_;
  OpenCalls polls_;
  OpenCalls streams_;

  Reason no_token_;
  Reason malformed_token_;
  Reason unknown_token_;
  Reason wrong_role_;
  Reason too_many_polls_;
  Reason too_many_streams_;
};

}  // namespace layernas
