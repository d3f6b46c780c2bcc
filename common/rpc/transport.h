// gRPC settings of all programs. Clients and servers must use both parts: a server that does not
// expect the client's keep-alive pings closes the connection because there are too many.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server_builder.h>

#include <memory>

#include "common/rpc/address.h"
#include "common/rpc/tls.h"

namespace layernas::rpc {

// The maximum sizes, in bytes, of an answer that a client accepts and of a request that a server
// accepts. A server receives the whole request before it knows who calls.
inline constexpr int kMaxAnswerBytes = 16 << 20;
inline constexpr int kMaxRequestBytes = 4 << 20;
// The maximum size of a call's metadata, in bytes.
inline constexpr int kMaxMetadataBytes = 8 << 10;

// Part of the initial metadata of an open watch. So the caller knows that it is connected even if
// nothing changes.
inline constexpr char kWatchKey[] = "layernas-watch";
inline constexpr char kWatchOpen[] = "open";

// How a client authenticates itself and verifies the server.
struct ChannelSecurity {
  ChannelTls tls;
  // The file with the token that is sent with each call. Empty: no token is sent.
  std::string token_file;
  // Allows sending the token over a network without TLS.
  bool insecure_token = false;
};

// Returns a channel that connects on first use, notices within a minute that the server is gone,
// and then reconnects within 5 s of its return. Proxies from the environment are not used. Errors
// name the file that cannot be used. INVALID_ARGUMENT: the token would be sent over a network
// without TLS.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const Address& address, const ChannelSecurity& security);
// Returns a channel without TLS and without a token.
std::shared_ptr<grpc::Channel> MakeChannel(const Address& address);

// Sets limits, matching keep-alive, and exclusive use of the port: BuildAndStart() fails if the
// port is in use.
void ConfigureServer(grpc::ServerBuilder& builder);

}  // namespace layernas::rpc
