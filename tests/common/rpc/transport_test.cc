#include "common/rpc/transport.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <gtest/gtest.h>

#include "common/rpc/status.h"

namespace layernas::rpc {
namespace {

struct Listener {
  explicit Listener(std::uint16_t wanted) {
    grpc::ServerBuilder builder;
    ConfigureServer(builder);
    // A server without any service does not start.
    builder.RegisterCallbackGenericService(&service);
    builder.AddListeningPort(Address{"127.0.0.1", wanted}.ToString(), grpc::InsecureServerCredentials(), &port);
    server = builder.BuildAndStart();
  }

  grpc::CallbackGenericService service;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

TEST(Transport, ChannelAndServerMeetDespiteAProxyInTheEnvironment) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  const Listener listener(0);
  ASSERT_NE(listener.server, nullptr);
  const auto channel = MakeChannel({"127.0.0.1", static_cast<std::uint16_t>(listener.port)});
  EXPECT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(60)));
  unsetenv("http_proxy");
}

TEST(Transport, APortIsNotShared) {
  const Listener first(0);
  ASSERT_NE(first.server, nullptr);
  const Listener second(static_cast<std::uint16_t>(first.port));
  EXPECT_EQ(second.server, nullptr);
}

TEST(Status, KeepsCodeAndMessageBothWays) {
  for (const absl::Status& status : {absl::OkStatus(), absl::NotFoundError("a"), absl::UnauthenticatedError("b"),
                                     absl::DeadlineExceededError("c"), absl::CancelledError("d")}) {
    EXPECT_EQ(FromGrpc(ToGrpc(status)), status);
  }
  EXPECT_EQ(ToGrpc(absl::InternalError("\xff")).error_message(), "?");
}

}  // namespace
}  // namespace layernas::rpc
