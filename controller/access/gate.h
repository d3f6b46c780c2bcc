// The gate that every call passes before anything else is done for it.
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
  // Maximum open calls per host: LeaseTasks calls, and streams, which may stay open for any time.
  int polls_per_host = 1024;
  int streams_per_host = 256;
};

// Counts refused calls and logs them without the token, at most one line every few seconds for each
// reason. Thread-safe.
class Gate {
 public:
  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

  // If `tokens` is null, every caller may make every call. Tokens and metrics must outlive the
  // gate.
  Gate(const TokenFile* tokens, const GateOptions& options, ControllerMetrics& metrics);

  // Checks whether the caller may make the call; `method` is its full name. Returns UNAUTHENTICATED
  // without a known token, and PERMISSION_DENIED if the role of the token does not permit the call.
  // Otherwise returns the caller, as quotas count it: the name of the token or, without tokens, the
  // host.
  absl::StatusOr<std::string> Admit(const Metadata& metadata, const std::string& peer, std::string_view method);
  absl::StatusOr<std::string> Admit(const grpc::CallbackServerContext& context, std::string_view method);

  // The call counts as open until its place is given up. Return RESOURCE_EXHAUSTED if its host has
  // too many.
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
