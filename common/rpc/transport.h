// How our programs set up gRPC. Both ends belong together: a server that is not told to expect the client's keep-alive
// pings closes the connection for too many of them.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server_builder.h>

#include <memory>

#include "common/rpc/address.h"
#include "common/rpc/tls.h"

namespace layernas::rpc {

// The largest answer that a client takes, in bytes, and the largest request that a server does: before it knows who
// calls, for a message comes with its call.
inline constexpr int kMaxAnswerBytes = 16 << 20;
inline constexpr int kMaxRequestBytes = 4 << 20;
// Of a call's metadata, the same.
inline constexpr int kMaxMetadataBytes = 8 << 10;

// In the initial metadata of a watch that is open: the caller knows that it is connected though nothing changes.
inline constexpr char kWatchKey[] = "layernas-watch";
inline constexpr char kWatchOpen[] = "open";

// How a client proves who it is, and makes sure of the server.
struct ChannelSecurity {
  ChannelTls tls;
  // Holds the token that is shown with each call. Empty: none is.
  std::string token_file;
  // Lets the token go over a network in the clear.
  bool insecure_token = false;
};

// Connects on first use, notices within a minute that the other end is gone, and tries again within 5 s for as long as
// it is. Proxies from the environment are not used. Errors name the file that can't be used; INVALID_ARGUMENT where the
// token would go over a network in the clear.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const Address& address, const ChannelSecurity& security);
// In the clear, and without a token.
std::shared_ptr<grpc::Channel> MakeChannel(const Address& address);

// Limits and keep-alive to match, and a port that can't be shared: BuildAndStart fails where it is taken.
void ConfigureServer(grpc::ServerBuilder& builder);

}  // namespace layernas::rpc
