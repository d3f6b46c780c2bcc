#include "controller/access/open_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace layernas {
namespace {

using ::testing::HasSubstr;

TEST(PeerHost, IsThePeerWithoutItsPort) {
  EXPECT_EQ(PeerHost("ipv4:10.0.0.1:5000"), "10.0.0.1");
  EXPECT_EQ(PeerHost("ipv6:%5B::1%5D:5000"), "::1");
  EXPECT_EQ(PeerHost("ipv6:%5Bfe80::1%25eth0%5D:5000"), "fe80::1%25eth0");
  EXPECT_EQ(PeerHost("unix:/run/socket:1"), "unix:/run/socket:1");
  EXPECT_EQ(PeerHost("inproc"), "inproc");
  EXPECT_EQ(PeerHost(""), "");
}

TEST(OpenCalls, AreBoundedForEachHostApart) {
  OpenCalls calls("streams", "--flag", 2);
  std::vector<OpenCalls::Place> places;
  for (int i = 0; i < 2; ++i) {
    auto place = calls.Enter("a");
    ASSERT_TRUE(place.ok());
    places.push_back(*std::move(place));
  }
  const absl::Status refused = calls.Enter("a").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("at most 2 open streams per host (--flag)"));
  EXPECT_TRUE(calls.Enter("b").ok());
  places.pop_back();
  EXPECT_TRUE(calls.Enter("a").ok()) << "a place that was given up is free";
}

TEST(OpenCalls, APlaceIsGivenUpOnceHoweverItIsMoved) {
  OpenCalls calls("streams", "--flag", 1);
  OpenCalls::Place kept;
  {
    auto place = calls.Enter("a");
    ASSERT_TRUE(place.ok());
    OpenCalls::Place moved = *std::move(place);
    kept = std::move(moved);
  }
  EXPECT_FALSE(calls.Enter("a").ok());
  auto other = calls.Enter("b");
  ASSERT_TRUE(other.ok());
  kept = *std::move(other);
  EXPECT_TRUE(calls.Enter("a").ok());
  EXPECT_FALSE(calls.Enter("b").ok());
  kept = OpenCalls::Place();
  EXPECT_TRUE(calls.Enter("b").ok());
}

}  // namespace
}  // namespace layernas
