#include "tests/controller/core/search_world.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>

namespace layernas::core {
namespace {

TEST(SearchProperty, HoldsUnderRandomCommandsAndAlwaysEnds) {
  std::map<SearchState, int> ends;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomStream random({seed});
    SearchConfig config = RandomConfig(random);
    const bool cancels = random.Below(4) == 0;
    RandomDraws draws(random);
    World world(std::move(config), cancels, draws);
    const std::uint64_t commands = seed % 30 == 0 ? 3000 : 20 * (seed % 30);
    int after_the_end = 30;
    for (std::uint64_t i = 0; i < commands && after_the_end > 0; ++i) {
      world.Act();
      ASSERT_FALSE(HasFailure());
      if (world.Over()) --after_the_end;
    }
    world.Finish();
    ASSERT_FALSE(HasFailure());
    ++ends[world.search().state()];
  }
  // All kinds of ends occurred.
  EXPECT_GT(ends[SearchState::kSucceeded], 100);
  EXPECT_GT(ends[SearchState::kFailed], 20);
  EXPECT_GT(ends[SearchState::kCancelled], 20);
}

}  // namespace
}  // namespace layernas::core
