#include "controller/core/architecture_index.h"

#include <gtest/gtest.h>

#include <map>

#include "common/base/random.h"

namespace layernas::core {
namespace {

TEST(ArchitectureIndex, NumbersWhatIsAddedFromOne) {
  ArchitectureIndex index(2);
  EXPECT_EQ(index.Find({0, 0}), 0u);
  EXPECT_TRUE(index.Insert({0, 1}));
  EXPECT_TRUE(index.Insert({1, 0}));
  EXPECT_FALSE(index.Insert({0, 1}));
  EXPECT_EQ(index.size(), 2u);
  EXPECT_EQ(index.Find({0, 1}), 1u);
  EXPECT_EQ(index.Find({1, 0}), 2u);
  EXPECT_FALSE(index.Contains({1, 1}));
}

// Compares the index with a map, over several doublings, in a space so small that most draws are
// known.
TEST(ArchitectureIndex, KnowsWhatAMapKnows) {
  RandomStream random({7});
  ArchitectureIndex index(5);
  std::map<Architecture, std::uint64_t> expected;
  for (int i = 0; i < 20'000; ++i) {
    Architecture drawn;
    for (int layer = 0; layer < 5; ++layer) drawn.push_back(static_cast<OptionIndex>(random.Below(7) * 300));
    const bool is_new = expected.emplace(drawn, expected.size() + 1).second;
    ASSERT_EQ(index.Insert(drawn), is_new);
    ASSERT_EQ(index.size(), expected.size());
  }
  for (const auto& [architecture, number] : expected) ASSERT_EQ(index.Find(architecture), number);
}

// Stored data may be damaged, but must not make the index give a number to another architecture.
TEST(ArchitectureIndex, CountsWhatItCantFind) {
  ArchitectureIndex index(2);
  index.Add({1, 2});
  index.Add({1});
  index.Add({1, 2});
  index.Add({1, 2, 0});
  index.Add({2, 2});
  EXPECT_EQ(index.size(), 5u);
  EXPECT_EQ(index.Find({2, 2}), 5u);
  EXPECT_EQ(index.Find({1}), 0u);
  EXPECT_EQ(index.Find({1, 0}), 0u);
  EXPECT_TRUE(index.Contains({1, 2}));
}

}  // namespace
}  // namespace layernas::core
