#include "controller/service/spec_cache.h"

#include <gtest/gtest.h>

#include "tests/controller/support/specs.h"

namespace layernas {
namespace {

TEST(SpecCache, ParsesEachOnceAndLetsGoOfTheLongestUnused) {
  SpecCache cache;
  const auto spec = [](const std::string& name) {
    v1::SearchSpec large = LayerNasSpec("s");
    large.set_name(name + std::string(1 << 20, 'x'));
    return std::make_shared<const std::string>(large.SerializeAsString());
  };
  const auto first = spec("a");
  const std::shared_ptr<const TaskEncoder> parsed = cache.Get(first);
  EXPECT_EQ(cache.Get(first), parsed);
  std::weak_ptr<const TaskEncoder> second = cache.Get(spec("b"));
  EXPECT_FALSE(second.expired());
  for (int i = 0; i < 100; ++i) {
    cache.Get(spec("c"));
    // It is used all the time.
    ASSERT_EQ(cache.Get(first), parsed);
  }
  EXPECT_TRUE(second.expired());
}

}  // namespace
}  // namespace layernas
