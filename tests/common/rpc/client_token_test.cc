#include "common/rpc/client_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/rpc/transport.h"

namespace layernas::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kOne = "layernas_" + std::string(64, '1');
const std::string kTwo = "layernas_" + std::string(64, '2');

class ManualClock final : public Clock {
 public:
  SteadyTime Now() const override { return now; }
  UnixMillis UnixNow() const override { return 0; }
  SteadyTime now{std::chrono::hours(1)};
};

class ClientTokenTest : public ::testing::Test {
 protected:
  ~ClientTokenTest() override { std::filesystem::remove(path_); }

  void Write(const std::string& text) {
    const std::string beside = path_ + ".new";
    std::ofstream(beside) << text;
    chmod(beside.c_str(), 0600);
    std::filesystem::rename(beside, path_);
  }

  const std::string path_ = ::testing::TempDir() + "layernas_client_token_" + std::to_string(getpid());
  ManualClock clock_;
};

TEST_F(ClientTokenTest, FollowsTheFile) {
  Write(kOne + "\n");
  const auto token = ClientToken::Open(path_, clock_);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ((*token)->Current(), kOne);
  Write(kTwo);
  EXPECT_EQ((*token)->Current(), kOne) << "looked at again with each call";
  clock_.now += std::chrono::seconds(2);
  EXPECT_EQ((*token)->Current(), kTwo);
}

TEST_F(ClientTokenTest, KeepsItsTokenWhereTheNewOneIsUnfitOrGone) {
  Write(kOne);
  const auto token = ClientToken::Open(path_, clock_);
  ASSERT_TRUE(token.ok()) << token.status();
  for (const std::string& text : {std::string(), std::string("short"), kTwo + "\n" + kTwo}) {
    Write(text);
    clock_.now += std::chrono::seconds(2);
    EXPECT_EQ((*token)->Current(), kOne) << text;
  }
  std::filesystem::remove(path_);
  clock_.now += std::chrono::seconds(2);
  EXPECT_EQ((*token)->Current(), kOne);
  Write(kTwo);
  clock_.now += std::chrono::seconds(2);
  EXPECT_EQ((*token)->Current(), kTwo);
}

TEST_F(ClientTokenTest, UsesARefusedTokenOnceItsModeIsMended) {
  Write(kOne);
  const auto token = ClientToken::Open(path_, clock_);
  ASSERT_TRUE(token.ok()) << token.status();
  Write(kTwo);
  chmod(path_.c_str(), 0644);
  for (int i = 0; i < 2; ++i) {
    clock_.now += std::chrono::seconds(2);
    EXPECT_EQ((*token)->Current(), kOne);
  }
  // As the error advises.
  chmod(path_.c_str(), 0600);
  clock_.now += std::chrono::seconds(2);
  EXPECT_EQ((*token)->Current(), kTwo);
}

TEST_F(ClientTokenTest, ErrorsNameTheFileAndQuoteNothing) {
  EXPECT_THAT(std::string(ClientToken::Open(path_).status().message()), HasSubstr(path_));
  Write("my secret is not a token");
  const absl::Status unfit = ClientToken::Open(path_).status();
  EXPECT_THAT(std::string(unfit.message()), HasSubstr(path_ + ": contains no token"));
  EXPECT_THAT(std::string(unfit.message()), Not(HasSubstr("secret")));
  Write(kOne);
  chmod(path_.c_str(), 0644);
  EXPECT_THAT(std::string(ClientToken::Open(path_).status().message()), HasSubstr("chmod o="));
}

TEST_F(ClientTokenTest, DoesNotCrossANetworkInTheClear) {
  Write(kOne);
  ChannelSecurity security;
  security.token_file = path_;
  EXPECT_TRUE(MakeChannel({"127.0.0.1", 1}, security).ok());
  const auto refused = MakeChannel({"controller", 1}, security);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("in the clear"));
  // A host that only looks like a loopback address.
  EXPECT_FALSE(MakeChannel({"127.example.com", 1}, security).ok());
  security.insecure_token = true;
  EXPECT_TRUE(MakeChannel({"controller", 1}, security).ok());
}

TEST(Tls, CertificatesAreOfNoUseWithoutTls) {
  ChannelSecurity security;
  security.tls.certificate_file = "cert.pem";
  security.tls.key_file = "key.pem";
  EXPECT_THAT(std::string(MakeChannel({"127.0.0.1", 1}, security).status().message()), HasSubstr("--tls-ca"));
  ServerTls server;
  server.client_ca_file = "ca.pem";
  EXPECT_THAT(std::string(MakeServerCredentials(server).status().message()), HasSubstr("--tls-cert and --tls-key"));
}

}  // namespace
}  // namespace layernas::rpc
