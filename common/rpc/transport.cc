#include "common/rpc/transport.h"

#include <grpc/impl/codegen/grpc_types.h>
#include <grpcpp/create_channel.h>

#include <random>
#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "common/rpc/client_token.h"

namespace layernas::rpc {
namespace {

constexpr int kPingIntervalMs = 30'000;
// The server's interval. Clients send pings more often, and a server with ten thousand clients
// should not.
constexpr int kServerPingIntervalMs = 120'000;
// On a slow connection, the answer waits until a result with its log has passed: 16 KiB at 10 kbit/s
// take 13 s.
constexpr int kPingTimeoutMs = 25'000;
// Below the client's interval by a margin, because pings do not arrive at exact intervals.
constexpr int kShortestPingIntervalMs = 10'000;

grpc::ChannelArguments ChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxAnswerBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  // By default gRPC stops after two pings without data, and a waiting watch sends none. Then it
  // would never notice that a load balancer has dropped the connection.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Each channel has its own pace, because the channels of a fleet all break at the same moment.
  std::random_device random;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, std::uniform_int_distribution(200, 1'000)(random));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, std::uniform_int_distribution(2'000, 5'000)(random));
  // How long establishing a connection may take, for servers with many clients.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  // A proxy for web traffic would even intercept calls to this machine.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const Address& address, const ChannelSecurity& security) {
  LAYERNAS_ASSIGN_OR_RETURN(const auto credentials, MakeChannelCredentials(security.tls));
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  if (!security.token_file.empty()) {
    if (!security.tls.enabled() && !security.insecure_token && !address.IsLoopback()) {
      return absl::InvalidArgumentError("--token-file: refusing to send the token to " + address.ToString() +
                                        " in the clear; give --tls-ca, or --insecure-token on a trusted network");
    }
    auto token = ClientToken::Open(security.token_file);
    if (!token.ok()) {
      return absl::Status(token.status().code(), "--token-file: " + std::string(token.status().message()));
    }
    interceptors.push_back(MakeTokenInterceptor(*std::move(token)));
  }
  return grpc::experimental::CreateCustomChannelWithInterceptors(address.ToString(), credentials, ChannelArguments(),
                                                                 std::move(interceptors));
}

std::shared_ptr<grpc::Channel> MakeChannel(const Address& address) {
  return grpc::CreateCustomChannel(address.ToString(), grpc::InsecureChannelCredentials(), ChannelArguments());
}

void ConfigureServer(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetMaxSendMessageSize(kMaxAnswerBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kServerPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kShortestPingIntervalMs);
  // By default a second server could listen on the same port and get half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace layernas::rpc
