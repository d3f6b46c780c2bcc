// How our programs set up gRPC. Both ends belong together: a server that is not told to expect the client's keep-alive
// pings closes the connection for too many of them.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server_builder.h>

#include <memory>

#include "common/rpc/address.h"

namespace layernas::rpc {

// The largest message that either end accepts, in bytes.
inline constexpr int kMaxMessageBytes = 16 << 20;

// Connects on first use, notices within a minute that the other end is gone, and tries again within 5 s for as long as
// it is. Proxies from the environment are not used.
std::shared_ptr<grpc::Channel> MakeChannel(const Address& address);

// Limits and keep-alive to match, and a port that can't be shared: BuildAndStart fails where it is taken.
void ConfigureServer(grpc::ServerBuilder& builder);

}  // namespace layernas::rpc
