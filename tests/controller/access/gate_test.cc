#include "controller/access/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/controller/support/temp_dir.h"

namespace layernas {
namespace {

using security::Role;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRead[] = "/layernas.v1.SearchService/GetSearch";
constexpr char kDelete[] = "/layernas.v1.SearchService/DeleteSearch";
constexpr char kPeer[] = "ipv4:10.0.0.1:5000";

class GateTest : public ::testing::Test {
 protected:
  GateTest() {
    {
      std::ofstream file(temp_.Path("tokens"));
      for (const Role role : security::kRoles) {
        file << security::FormatTokenLine({role, security::HashToken(Token(role)), std::string(Name(role)) + "-1"})
             << '\n';
      }
    }
    chmod(temp_.Path("tokens").c_str(), 0600);
    tokens_ = *TokenFile::Open(temp_.Path("tokens"));
    gate_.emplace(tokens_.get(), GateOptions{.polls_per_host = 2, .streams_per_host = 1}, metrics_);
  }

  static std::string Token(Role role) { return std::string(Name(role)) + std::string(40, 'x'); }

  absl::Status Admit(const std::vector<std::string>& authorizations, std::string_view method) {
    Gate::Metadata metadata;
    metadata.emplace("user-agent", "test");
    for (const std::string& value : authorizations) metadata.emplace("authorization", value);
    return gate_->Admit(metadata, kPeer, method).status();
  }
  double Refused(const std::string& reason) { return metrics_.CallsRefused(reason).Value(); }

  TempDir temp_;
  ControllerMetrics metrics_;
  std::unique_ptr<TokenFile> tokens_;
  std::optional<Gate> gate_;
};

TEST_F(GateTest, WithoutTokensEveryoneIsLetIn) {
  Gate open(nullptr, {}, metrics_);
  EXPECT_EQ(*open.Admit(Gate::Metadata(), kPeer, kDelete), "10.0.0.1");
  EXPECT_TRUE(open.Admit(Gate::Metadata(), kPeer, "/no.such/Method").ok());
}

TEST_F(GateTest, LetsInByRole) {
  EXPECT_TRUE(Admit({"Bearer " + Token(Role::kReadOnly)}, kRead).ok());
  EXPECT_TRUE(Admit({"bearer " + Token(Role::kAdmin)}, kDelete).ok());
  const absl::Status refused = Admit({"Bearer " + Token(Role::kWorker)}, kRead);
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.message()), AllOf(HasSubstr("worker-1"), HasSubstr("role worker"), HasSubstr(kRead),
                                                    HasSubstr("read-only or client or admin"), Not(HasSubstr("xxxx"))));
  EXPECT_EQ(Admit({"Bearer " + Token(Role::kClient)}, kDelete).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Refused("wrong_role"), 2);
}

TEST_F(GateTest, WhatIsNotInTheTableIsForNobody) {
  EXPECT_EQ(Admit({"Bearer " + Token(Role::kAdmin)}, "/layernas.v1.SearchService/New").code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(GateTest, HealthIsOpen) {
  EXPECT_TRUE(Admit({}, "/grpc.health.v1.Health/Check").ok());
  EXPECT_TRUE(Admit({"rubbish"}, "/grpc.health.v1.Health/Watch").ok());
  EXPECT_FALSE(Admit({}, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo").ok());
}

TEST_F(GateTest, WhoHasNoTokenIsUnauthenticatedAndTheReasonIsCounted) {
  const std::string good = Token(Role::kAdmin);
  EXPECT_EQ(Admit({}, kRead).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Refused("no_token"), 1);
  const std::vector<std::vector<std::string>> malformed = {
      {""}, {"Bearer"}, {good}, {"Basic " + good}, {"Bearer " + good, "Bearer " + good}};
  for (const auto& values : malformed) {
    EXPECT_EQ(Admit(values, kRead).code(), absl::StatusCode::kUnauthenticated) << values[0];
  }
  EXPECT_EQ(Refused("malformed_token"), malformed.size());
  for (const std::string& token : {std::string(), good + "x", " " + good, good.substr(1), std::string(5000, 'x')}) {
    const absl::Status refused = Admit({"Bearer " + token}, kRead);
    EXPECT_EQ(refused.code(), absl::StatusCode::kUnauthenticated) << token;
    EXPECT_THAT(std::string(refused.message()), Not(HasSubstr("xxxx")));
  }
  EXPECT_EQ(Refused("unknown_token"), 5);
}

TEST_F(GateTest, BoundsWhatAHostKeepsOpen) {
  const auto one = gate_->EnterPoll(kPeer);
  const auto two = gate_->EnterPoll("ipv4:10.0.0.1:5001");
  EXPECT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(gate_->EnterPoll("ipv4:10.0.0.1:5002").status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(gate_->EnterPoll("ipv4:10.0.0.2:5000").ok());
  const auto stream = gate_->EnterStream(kPeer);
  EXPECT_TRUE(stream.ok());
  EXPECT_EQ(gate_->EnterStream(kPeer).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Refused("too_many_polls"), 1);
  EXPECT_EQ(Refused("too_many_streams"), 1);
}

}  // namespace
}  // namespace layernas
