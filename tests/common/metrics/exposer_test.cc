#include "common/metrics/exposer.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "common/build_info/build_info.h"
#include "common/process/fd.h"

namespace layernas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Get(const rpc::Address& address, const std::string& path) {
  const Fd connection(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in where = {};
  where.sin_family = AF_INET;
  where.sin_port = htons(address.port);
  inet_pton(AF_INET, address.host.c_str(), &where.sin_addr);
  if (connect(connection.get(), reinterpret_cast<sockaddr*>(&where), sizeof(where)) != 0) return "";
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  if (write(connection.get(), request.data(), request.size()) < 0) return "";
  std::string reply;
  std::array<char, 4096> buffer;
  for (ssize_t count = 0; (count = read(connection.get(), buffer.data(), buffer.size())) > 0;) {
    reply.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return reply;
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

TEST(MetricsExposer, ABusyPortIsNamed) {
  const auto first = MetricsExposer::Start({"127.0.0.1", 0}, std::make_shared<prometheus::Registry>());
  ASSERT_TRUE(first.ok());
  const auto second = MetricsExposer::Start((*first)->address(), std::make_shared<prometheus::Registry>());
  ASSERT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr((*first)->address().ToString()));
}

}  // namespace
}  // namespace layernas
