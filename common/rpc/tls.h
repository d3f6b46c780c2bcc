// Certificates and keys, PEM files all. They are read again every few seconds, so that renewed ones are used without a
// restart; while what lies there can't be used, new connections fail and those that are open go on.
#pragma once

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace layernas::rpc {

// In errors the files have the names of the flags that all our programs have for them.
struct ServerTls {
  // The certificate, followed by those that lead to its issuer, and its key. Both or none; none: no TLS.
  std::string certificate_file;
  std::string key_file;
  // Clients must show a certificate of one of these authorities (mutual TLS). Empty: they need none.
  std::string client_ca_file;

  bool enabled() const { return !certificate_file.empty(); }
};

struct ChannelTls {
  // The server must show a certificate of one of these authorities that names the host of its address. Empty: no TLS.
  std::string ca_file;
  // Shown to servers that ask for it. Both or none.
  std::string certificate_file;
  std::string key_file;

  bool enabled() const { return !ca_file.empty(); }
};

// Plain text where there is to be no TLS. Errors name the file that is missing, unfit or open to others.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const ServerTls& tls);
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(const ChannelTls& tls);

// Until when the file's first certificate is valid, in seconds of Unix time. Errors name the file.
absl::StatusOr<std::int64_t> CertificateEnd(const std::string& certificate_file);

// What to do about a connection that failed with this message of gRPC's, where TLS may be the reason; else empty.
std::string TlsAdvice(std::string_view message);

}  // namespace layernas::rpc
