// TLS credentials from PEM files. The files are read again every few seconds, so that renewed ones
// are used without a restart. While they cannot be used, new connections fail, and open connections
// continue.
#pragma once

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace layernas::rpc {

// Errors about the files name the flags, which are the same in all programs.
struct ServerTls {
  // The certificate, followed by those that lead to its issuer, and its key. Give both or none;
  // without them, TLS is off.
  std::string certificate_file;
  std::string key_file;
  // Clients must have a certificate of one of these authorities (mutual TLS). Empty: they need
  // none.
  std::string client_ca_file;

  bool enabled() const { return !certificate_file.empty(); }
};

struct ChannelTls {
  // The server must have a certificate of one of these authorities for the host of its address.
  // Empty: TLS is off.
  std::string ca_file;
  // Sent to servers that require a certificate. Give both or none.
  std::string certificate_file;
  std::string key_file;

  bool enabled() const { return !ca_file.empty(); }
};

// Without TLS, these return insecure credentials. Errors name the file that is missing, unusable or
// accessible to others.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const ServerTls& tls);
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(const ChannelTls& tls);

// Returns when the file's first certificate expires, in seconds of Unix time. Errors name the file.
absl::StatusOr<std::int64_t> CertificateEnd(const std::string& certificate_file);

// Returns what to do about a connection that failed with this message of gRPC. Empty if TLS cannot
// be the reason.
std::string TlsAdvice(std::string_view message);

}  // namespace layernas::rpc
