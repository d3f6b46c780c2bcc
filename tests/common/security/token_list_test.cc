#include "common/security/token_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace layernas::security {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kToken = "layernas_0123456789abcdef0123456789abcdef";

std::string Line(std::string_view role, const std::string& token, const std::string& name) {
  return FormatTokenLine({*ParseRole(role), HashToken(token), name});
}

TEST(TokenList, ReadsWhatIsFormatted) {
  const std::string text = "# who may come in\n\n" + Line("worker", kToken, "gpu-1") + "\r\n  \t\n" +
                           Line("read-only", kToken + "2", "a.b_c@d") + "\n   # the end";
  const auto list = ParseTokenList(text, "tokens");
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].role, Role::kWorker);
  EXPECT_EQ((*list)[0].name, "gpu-1");
  EXPECT_TRUE(SameHash((*list)[0].hash, HashToken(kToken)));
  EXPECT_EQ((*list)[1].role, Role::kReadOnly);
  EXPECT_EQ((*list)[1].name, "a.b_c@d");
}

// As other programs compute it: printf %s TOKEN | sha256sum.
TEST(TokenList, TheHashIsPlainSha256) {
  EXPECT_EQ(Line("client", "abc", "ann"),
            "client sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad ann");
  const auto list =
      ParseTokenList("client sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD ann", "tokens");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_TRUE(SameHash((*list)[0].hash, HashToken("abc")));
}

TEST(TokenList, MistakesAreNamedByFileAndLineWithoutTheToken) {
  const std::string good = Line("admin", kToken + "3", "root") + "\n";
  const std::string hash = "sha256:" + std::string(64, 'a');
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"worker " + kToken + " gpu-1", "must be sha256:"},
      {"worker sha256:" + std::string(63, 'a') + " gpu-1", "64 hexadecimal digits"},
      {"worker sha256:" + std::string(63, 'a') + "g gpu-1", "64 hexadecimal digits"},
      {"worker sha256:" + std::string(66, 'a') + " gpu-1", "64 hexadecimal digits"},
      {Line("admin", "", "root"), "an empty token"},
      {Line("admin", "\n", "root"), "an empty token"},
      {"boss " + hash + " gpu-1", "must be a role"},
      {kToken + " " + hash + " gpu-1", "must be a role"},
      {"Worker " + hash + " gpu-1", "must be a role"},
      {"worker " + hash, "ROLE sha256:HEX NAME"},
      {"worker " + hash + " gpu 1", "ROLE sha256:HEX NAME"},
      {kToken, "ROLE sha256:HEX NAME"},
      {"worker " + hash + " gpu/1", "name"},
      {"worker " + hash + " " + std::string(101, 'x'), "name"},
      {Line("worker", kToken + "3", "again"), "same token"},
  };
  for (const auto& [line, why] : mistakes) {
    const absl::Status status = ParseTokenList(good + line + "\n", "etc/tokens").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << line;
    const std::string message(status.message());
    EXPECT_THAT(message, StartsWith("etc/tokens:2: ")) << line;
    EXPECT_THAT(message, HasSubstr(why)) << line;
    EXPECT_THAT(message, Not(HasSubstr(kToken))) << line;
    EXPECT_THAT(message, Not(HasSubstr("aaaa"))) << line;
  }
}

TEST(TokenList, AListWithoutTokensIsAMistake) {
  for (const char* text : {"", "\n\n", "# nobody\n"}) {
    EXPECT_THAT(std::string(ParseTokenList(text, "tokens").status().message()), HasSubstr("contains no token")) << text;
  }
}

TEST(TokenList, Rubbish) {
  EXPECT_FALSE(ParseTokenList(std::string("worker sha256:\0 x", 17), "tokens").ok());
  EXPECT_FALSE(ParseTokenList("\xff\xfe\n", "tokens").ok());
}

TEST(Token, NoTwoAreTheSameAndAllAreFit) {
  const auto one = MakeToken();
  const auto other = MakeToken();
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NE(*one, *other);
  EXPECT_TRUE(CheckToken(*one).ok());
  EXPECT_EQ(one->size(), 9u + 64);
  EXPECT_FALSE(SameHash(HashToken(*one), HashToken(*other)));
  EXPECT_TRUE(SameHash(HashToken(*one), HashToken(*one)));
}

TEST(Token, WhatIsUnfitIsNotQuoted) {
  const std::string with_space = "a secret with spaces, long enough to be one";
  for (const std::string& token : {std::string(), std::string(31, 'x'), std::string(257, 'x'), with_space,
                                   std::string(40, 'x') + "\n", std::string(40, '\xc3')}) {
    const absl::Status status = CheckToken(token);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret")));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("xxx")));
  }
}

TEST(Role, NamesRoundTrip) {
  for (const Role role : kRoles) EXPECT_EQ(ParseRole(Name(role)), role);
  EXPECT_FALSE(ParseRole("root"));
  EXPECT_FALSE(ParseRole(""));
}

}  // namespace
}  // namespace layernas::security
