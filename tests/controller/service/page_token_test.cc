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

TEST(PageSize, OneToAThousand) {
  EXPECT_EQ(*PageSize(0), 100u);
  EXPECT_EQ(*PageSize(1), 1u);
  EXPECT_EQ(*PageSize(1000), 1000u);
  EXPECT_FALSE(PageSize(-1).ok());
  EXPECT_FALSE(PageSize(1001).ok());
}

}  // namespace
}  // namespace layernas
