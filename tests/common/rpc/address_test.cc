#include "common/rpc/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace layernas::rpc {
namespace {

TEST(Address, ReadsAndWritesNamesAndNumbers) {
  for (const char* text : {"127.0.0.1:7060", "controller.example:1", "[::1]:0", "localhost:65535"}) {
    const auto address = ParseAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), text);
  }
  EXPECT_EQ(ParseAddress("[::1]:80")->host, "::1");
  EXPECT_EQ(ParseAddress("[::1]:80")->port, 80);
}

// The Python client's test reads the same file.
TEST(Address, LoopbackIsWhatOnlyThisMachineReaches) {
  std::ifstream corpus(LAYERNAS_CORPUS "/token_addresses.txt");
  std::string line;
  int cases = 0;
  while (std::getline(corpus, line)) {
    if (line.starts_with('#')) continue;
    const std::string verdict = line.substr(0, line.find(' '));
    const auto address = ParseAddress(line.substr(line.find(' ') + 1));
    EXPECT_EQ(address.ok(), verdict != "malformed") << line;
    if (address.ok()) {
      EXPECT_EQ(address->IsLoopback(), verdict == "allowed") << line;
    }
    ++cases;
  }
  EXPECT_GT(cases, 20);
}

TEST(Address, RefusesTheRestAndSaysWhy) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "port is missing"},        {"host", "port is missing"},        {"host:", "must be a number"},
      {"host:x", "must be a number"}, {"host:65536", "must be a number"}, {"host:-1", "must be a number"},
      {":7060", "host is missing"},   {"::1:7060", "needs brackets"},     {"[::1]", "port is missing"},
      {"http://host:1", "not a URL"}, {"a b:1", "host is invalid"},
  };
  for (const auto& [text, why] : cases) {
    const auto address = ParseAddress(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_THAT(std::string(address.status().message()), ::testing::HasSubstr(why)) << text;
  }
}

}  // namespace
}  // namespace layernas::rpc
