#include "controller/service/page_token.h"

#include <gtest/gtest.h>

namespace layernas {
namespace {

TEST(PageToken, RoundTrip) {
  for (const std::uint64_t position : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    EXPECT_EQ(*ParsePageToken(FormatPageToken(position), 7), position);
  }
  EXPECT_EQ(*ParsePageToken("", 7), 7u);
}

TEST(PageToken, WhatIsNoneIsRefused) {
  for (const char* token : {"p", "1", "x1", "p1 ", "p-1", "p1x", "p18446744073709551616", "\xff"}) {
    EXPECT_EQ(ParsePageToken(token, 7).status().code(), absl::StatusCode::kInvalidArgument) << token;
  }
}

TEST(BucketToken, RoundTrip) {
  for (const BucketPlace& place : {BucketPlace{{1, 0}, 0}, BucketPlace{{100, 1000}, 10'000}}) {
    const auto parsed = ParseBucketToken(FormatBucketToken(place), {7, 7});
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->position, place.position);
    EXPECT_EQ(parsed->bucket, place.bucket);
  }
  EXPECT_EQ(ParseBucketToken("", {7, 8})->position, (core::Position{7, 8}));
  EXPECT_EQ(ParseBucketToken("", {7, 8})->bucket, -1);
}

TEST(BucketToken, WhatIsNoneIsRefused) {
  for (const char* token :
       {"b", "b1", "b1.2", "b1.2.", "b1.2.3.4", "b1.2.3x", "b-1.2.3", "p1.2.3", "b1,2,3", "b1.2.99999999999", "\xff"}) {
    EXPECT_EQ(ParseBucketToken(token, {7, 7}).status().code(), absl::StatusCode::kInvalidArgument) << token;
  }
}

TEST(PageSize, OneToAThousand) {
  EXPECT_EQ(*PageSize(0, 7), 7u);
  EXPECT_EQ(*PageSize(0), 100u);
  EXPECT_EQ(*PageSize(1), 1u);
  EXPECT_EQ(*PageSize(1000), 1000u);
  EXPECT_FALSE(PageSize(-1).ok());
  EXPECT_FALSE(PageSize(1001).ok());
}

}  // namespace
}  // namespace layernas
