#include "common/metrics/exposer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/socket.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/build_info/build_info.h"
#include "common/metrics/http_server.h"
#include "common/process/fd.h"
#include "tests/common/process/no_threads.h"
#include "tests/controller/support/fake_clock.h"

namespace layernas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Returns a connection to the address, or an invalid descriptor.
Fd Connect(const rpc::Address& address) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Fd connection(socket(one->ai_family, SOCK_STREAM, 0));
    if (connect(connection.get(), one->ai_addr, one->ai_addrlen) == 0) return connection;
  }
  return {};
}

// Returns the complete answer to `request`; empty if there is none. `ends`: the client ends its
// side before it reads.
std::string Ask(const rpc::Address& address, const std::string& request, bool ends = false) {
  const Fd connection = Connect(address);
  if (!connection.valid()) return "";
  if (send(connection.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  if (ends) shutdown(connection.get(), SHUT_WR);
  std::string reply;
  std::array<char, 4096> buffer;
  for (ssize_t count = 0; (count = read(connection.get(), buffer.data(), buffer.size())) > 0;) {
    reply.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return reply;
}

std::string Get(const rpc::Address& address, const std::string& path) {
  return Ask(address, "GET " + path + " HTTP/1.0\r\n\r\n");
}

std::unique_ptr<MetricsExposer> StartOn(const rpc::Address& address) {
  auto started = MetricsExposer::Start(address, std::make_shared<prometheus::Registry>());
  EXPECT_TRUE(started.ok()) << started.status();
  return started.ok() ? *std::move(started) : nullptr;
}

TEST(MetricsExposer, ServesTheRegistryAndWhatItWasBuiltFrom) {
  const auto exposer = MetricsExposer::Start({"127.0.0.1", 0}, std::make_shared<prometheus::Registry>());
  ASSERT_TRUE(exposer.ok()) << exposer.status();
  EXPECT_GT((*exposer)->address().port, 0);
  const BuildInfo& build = Build();
  EXPECT_THAT(Get((*exposer)->address(), "/metrics"),
              AllOf(HasSubstr("layernas_build_info{"), HasSubstr("version=\"" + std::string(build.version) + "\""),
                    HasSubstr("commit=\"" + std::string(build.commit) + "\""),
                    HasSubstr("build_type=\"" + std::string(build.build_type) + "\"")));
}

TEST(MetricsExposer, ServesIPv6AndNames) {
  if (!std::filesystem::exists("/proc/net/if_inet6")) GTEST_SKIP() << "this machine has no IPv6: it was NOT tried";
  const auto v6 = StartOn({"::1", 0});
  ASSERT_NE(v6, nullptr);
  EXPECT_GT(v6->address().port, 0);
  EXPECT_EQ(v6->address().ToString(), "[::1]:" + std::to_string(v6->address().port));
  EXPECT_THAT(Get(v6->address(), "/metrics"), HasSubstr("layernas_build_info{"));
  EXPECT_EQ(Get({"127.0.0.1", v6->address().port}, "/metrics"), "");
  const auto any = StartOn({"::", 0});
  ASSERT_NE(any, nullptr);
  for (const char* host : {"::1", "127.0.0.1"}) {
    EXPECT_THAT(Get({host, any->address().port}, "/metrics"), HasSubstr("layernas_build_info{")) << host;
  }
  const auto named = StartOn({"localhost", 0});
  ASSERT_NE(named, nullptr);
  EXPECT_THAT(Get(named->address(), "/metrics"), HasSubstr("layernas_build_info{"));
}

TEST(MetricsExposer, AnAddressThatCannotBeServedIsNamedWithTheReason) {
  const bool has_v6 = std::filesystem::exists("/proc/net/if_inet6");
  for (const char* host : {"127.0.0.1", has_v6 ? "::1" : "127.0.0.1"}) {
    const auto first = StartOn({host, 0});
    ASSERT_NE(first, nullptr);
    const auto second = MetricsExposer::Start(first->address(), std::make_shared<prometheus::Registry>());
    ASSERT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(second.status().message()),
                HasSubstr(first->address().ToString() + ": Address already in use"));
  }
  // Addresses that are reserved for documentation, which no machine has.
  for (const char* host : {"192.0.2.1", has_v6 ? "2001:db8::1" : "192.0.2.1"}) {
    const auto elsewhere = MetricsExposer::Start({host, 0}, std::make_shared<prometheus::Registry>());
    ASSERT_EQ(elsewhere.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(elsewhere.status().message()), HasSubstr("Cannot assign requested address")) << host;
  }
}

TEST(MetricsExposer, ThePortIsFreeOnceItIsGone) {
  auto exposer = StartOn({"127.0.0.1", 0});
  ASSERT_NE(exposer, nullptr);
  const rpc::Address address = exposer->address();
  EXPECT_NE(Get(address, "/metrics"), "");
  // A client that never sends a request delays no other client.
  const Fd silent = Connect(address);
  exposer.reset();
  EXPECT_NE(StartOn(address), nullptr);
}

TEST(HttpServer, ARequestAfterALongSilenceIsAnswered) {
  FakeClock clock;
  auto server = HttpServer::Start(
      {"127.0.0.1", 0}, "/", "text/plain", [] { return "hello"; }, clock);
  ASSERT_TRUE(server.ok()) << server.status();
  const rpc::Address address{"127.0.0.1", (*server)->port()};
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(Get(address, "/"), HasSubstr("hello")) << i;
    clock.Pass(std::chrono::hours(1));
  }
}

TEST(HttpServer, WhereNoThreadCanBeMadeItIsAnError) {
  FakeClock clock;
  const NoThreads no_threads;
  const auto server = HttpServer::Start(
      {"127.0.0.1", 0}, "/", "text/plain", [] { return "hello"; }, clock);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("Resource temporarily unavailable"));
}

// The clock stands still, so that no timeout frees a connection.
TEST(HttpServer, HalfSentRequestsKeepNobodyOut) {
  FakeClock clock;
  auto server = HttpServer::Start(
      {"127.0.0.1", 0}, "/", "text/plain", [] { return "hello"; }, clock);
  ASSERT_TRUE(server.ok()) << server.status();
  const rpc::Address address{"127.0.0.1", (*server)->port()};
  std::vector<Fd> half_sent;
  for (int i = 0; i < 100; ++i) {
    half_sent.push_back(Connect(address));
    ASSERT_TRUE(half_sent.back().valid()) << i;
    ASSERT_EQ(send(half_sent.back().get(), "GET / HT", 8, MSG_NOSIGNAL), 8) << i;
  }
  EXPECT_THAT(Get(address, "/"), HasSubstr("hello"));
}

TEST(MetricsExposer, AnswersWhatIsNotARequestForMetrics) {
  const auto exposer = StartOn({"127.0.0.1", 0});
  ASSERT_NE(exposer, nullptr);
  const rpc::Address& address = exposer->address();
  EXPECT_THAT(Get(address, "/"), HasSubstr("404 Not Found"));
  EXPECT_THAT(Get(address, "/metrics?name=x"), HasSubstr("layernas_build_info{"));
  EXPECT_THAT(Ask(address, "POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"), HasSubstr("405 "));
  EXPECT_THAT(Ask(address, "HEAD /metrics HTTP/1.1\r\n\r\n"),
              AllOf(HasSubstr("200 OK"), HasSubstr("Connection: close\r\n"), Not(HasSubstr("layernas_build_info"))));
  EXPECT_THAT(Ask(address, "GET /metrics HTTP/1.0\r\n\r\n", /*ends=*/true), HasSubstr("layernas_build_info{"));
  EXPECT_EQ(Ask(address, "GET /metrics HTTP/1.0\r\n", /*ends=*/true), "");
  for (const char* rubbish : {"\r\n\r\n", "GET\r\n\r\n", "GET /metrics\r\n\r\n", "a b c\r\n\r\n"}) {
    EXPECT_THAT(Ask(address, rubbish), HasSubstr("400 Bad Request")) << rubbish;
  }
  EXPECT_THAT(Ask(address, "GET /metrics HTTP/1.1\r\n" + std::string(20'000, 'x')), HasSubstr("431 "));
  // A silent client, and one that disconnects at once, delay no other client.
  const Fd silent = Connect(address);
  Connect(address);
  EXPECT_THAT(Get(address, "/metrics"), HasSubstr("200 OK"));
}

}  // namespace
}  // namespace layernas
