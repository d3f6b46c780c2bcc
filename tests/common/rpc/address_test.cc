#include "common/rpc/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(Address, LoopbackIsWhatOnlyThisMachineReaches) {
  for (const char* host : {"127.0.0.1", "127.1.2.3", "::1", "localhost"}) {
    EXPECT_TRUE((Address{host, 1}).IsLoopback()) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "127.example.com", "127.0.0.1.example.com",
                           "localhost.example.com", "::2", "controller"}) {
    EXPECT_FALSE((Address{host, 1}).IsLoopback()) << host;
  }
}

TEST(Address, RefusesTheRestAndSaysWhy) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "port is missing"},        {"host", "port is missing"},        {"host:", "must be a number"},
      {"host:x", "must be a number"}, {"host:65536", "must be a number"}, {"host:-1", "must be a number"},
      {":7060", "host is missing"},   {"::1:7060", "needs brackets"},     {"[::1]", "port is missing"},
      {"http://host:1", "not a URL"}, {"a b:1", "can't be read"},
  };
  for (const auto& [text, why] : cases) {
    const auto address = ParseAddress(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_THAT(std::string(address.status().message()), ::testing::HasSubstr(why)) << text;
  }
}

}  // namespace
}  // namespace layernas::rpc
