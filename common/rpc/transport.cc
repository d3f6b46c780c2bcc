#include "common/rpc/transport.h"

#include <grpc/impl/codegen/grpc_types.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <random>

namespace layernas::rpc {
namespace {

constexpr int kPingIntervalMs = 30'000;
// Of the server: clients ping sooner. A server with ten thousand of them has better things to do.
constexpr int kServerPingIntervalMs = 120'000;
constexpr int kPingTimeoutMs = 10'000;
// Below the client's interval by a margin, for pings don't arrive in step.
constexpr int kShortestPingIntervalMs = 10'000;

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const Address& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  // Each channel at its own pace: those of a fleet all break at the same moment.
  std::random_device random;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, std::uniform_int_distribution(200, 1'000)(random));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, std::uniform_int_distribution(2'000, 5'000)(random));
  // How long a connection may take to be made, for a server that many connect to.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  // A proxy set for web traffic would swallow even calls to this machine.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address.ToString(), grpc::InsecureChannelCredentials(), arguments);
}

void ConfigureServer(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kServerPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kShortestPingIntervalMs);
  // By default a second server could listen on the same port and take half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace layernas::rpc
