#include "controller/storage/keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "common/base/random.h"

namespace layernas::storage {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::string Bytes(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text.push_back(static_cast<char>(byte));
  return text;
}

// A change here requires a new schema version.
TEST(Keys, GoldenBytes) {
  EXPECT_EQ(EncodeKey(0x0102030405060708), Bytes({1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(EncodeKey(1, 0x80000000000000ff), Bytes({0, 0, 0, 0, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0xff}));
  EXPECT_EQ(EncodeKey({258, 1, 0xa0b0c0d0, 3}),
            Bytes({0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0xa0, 0xb0, 0xc0, 0xd0, 0, 0, 0, 3}));
  EXPECT_EQ(EncodeKey(LogKey{258, 7, 3}), Bytes({0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 3}));
}

TEST(Keys, RoundTrip) {
  RandomStream random({1});
  for (int i = 0; i < 1000; ++i) {
    // Numbers of every length.
    const std::uint64_t search = random.Next() >> random.Below(64);
    const std::uint64_t number = random.Next() >> random.Below(64);
    EXPECT_EQ(DecodeSearchKey(EncodeKey(search)), search);
    EXPECT_EQ(DecodeNumberKey(EncodeKey(search, number)), std::pair(search, number));
    const TableKey table{search, static_cast<std::uint32_t>(random.Next()), static_cast<std::uint32_t>(random.Next()),
                         static_cast<std::uint32_t>(random.Next())};
    EXPECT_EQ(DecodeTableKey(EncodeKey(table)), table);
    const LogKey log{search, number, static_cast<std::uint32_t>(random.Next())};
    EXPECT_EQ(DecodeLogKey(EncodeKey(log)), log);
  }
}

TEST(Keys, BytesSortAsNumbersDo) {
  const std::vector<std::uint64_t> ascending = {0, 1, 2, 127, 128, 255, 256, 65'535, 65'536, 1ull << 63, kMax};
  std::vector<std::string> keys;
  for (const std::uint64_t search : ascending) {
    for (const std::uint64_t number : ascending) keys.push_back(EncodeKey(search, number));
  }
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_LT(EncodeKey({1, 1, 2, 300}), EncodeKey({1, 1, 3, 0}));
  EXPECT_LT(EncodeKey({1, 1, 300, 0}), EncodeKey({1, 2, 0, 0}));
  // All keys of a search lie between its own key and the next search's.
  EXPECT_GT(EncodeKey(255, 0), EncodeKey(255));
  EXPECT_LT(EncodeKey(255, kMax), EncodeKey(256));
}

TEST(Keys, WrongLengthsAreNoKeys) {
  for (const std::size_t length : {0, 1, 7, 9, 12, 15, 17, 19, 21, 40}) {
    const std::string key(length, 'x');
    EXPECT_FALSE(DecodeSearchKey(key)) << length;
    EXPECT_FALSE(DecodeNumberKey(key)) << length;
    EXPECT_FALSE(DecodeTableKey(key)) << length;
  }
  EXPECT_FALSE(DecodeSearchKey(EncodeKey(1, 2)));
  EXPECT_FALSE(DecodeNumberKey(EncodeKey(1)));
  EXPECT_FALSE(DecodeTableKey(EncodeKey(1, 2)));
}

}  // namespace
}  // namespace layernas::storage
