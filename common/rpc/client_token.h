// The bearer token that a client or worker sends with each call.
#pragma once

#include <grpcpp/support/client_interceptor.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/security/file.h"

namespace layernas::rpc {

// The metadata of a call: "authorization: Bearer TOKEN".
inline constexpr char kAuthorization[] = "authorization";
inline constexpr char kBearer[] = "Bearer ";

// A token from a file that contains nothing else. The file is checked about every second, so a new
// token is used without a restart. If the new file cannot be used, the log says why and the old
// token stays in use. A file that could not be used is read again with each check, and only a new
// error is logged. Thread-safe.
class ClientToken {
 public:
  // Errors name the file.
  static absl::StatusOr<std::unique_ptr<ClientToken>> Open(const std::string& path, const Clock& clock = Clock::Real());

  std::string Current();

 private:
  ClientToken(std::string path, std::string token, const security::FileVersion& version, const Clock& clock);

  const std::string path_;
  const Clock& clock_;

  Mutex mutex_;
  std::string token_ ABSL_GUARDED_BY(mutex_);
  // Version of the file that was last read or rejected.
  security::FileVersion version_ ABSL_GUARDED_BY(mutex_);
  // Why that version could not be used; empty if it was.
  std::string unused_ ABSL_GUARDED_BY(mutex_);
  SteadyTime looked_ ABSL_GUARDED_BY(mutex_);
};

// Returns an interceptor that adds the token to all calls of a channel. gRPC's call credentials are
// not used, because they do not work on a channel without TLS, not even on loopback.
std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> MakeTokenInterceptor(
    std::unique_ptr<ClientToken> token);

}  // namespace layernas::rpc
