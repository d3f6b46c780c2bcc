#include "controller/engine/watch_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace layernas {
namespace {

class WatchBookTest : public ::testing::Test {
 protected:
  WatchBook::WatchId Add(std::uint64_t search, const std::string& name) {
    return book_.Add(search, [this, name] { woken_ += name; });
  }
  // Returns who was woken since the last call.
  std::string Woken() { return std::exchange(woken_, ""); }

  WatchBook book_;
  std::string woken_;
};

TEST_F(WatchBookTest, WakesThoseOfTheSearchesOnly) {
  Add(1, "a");
  Add(1, "b");
  Add(2, "c");
  Add(3, "d");
  book_.Wake({});
  EXPECT_EQ(Woken(), "");
  book_.Wake({1});
  EXPECT_EQ(Woken(), "ab");
  book_.Wake({2, 3, 4});
  EXPECT_EQ(Woken(), "cd");
  book_.WakeAll();
  EXPECT_EQ(Woken(), "abcd");
}

TEST_F(WatchBookTest, WakesNobodyWhoWasRemoved) {
  const WatchBook::WatchId a = Add(1, "a");
  const WatchBook::WatchId b = Add(1, "b");
  const WatchBook::WatchId c = Add(2, "c");
  EXPECT_NE(a, b);
  EXPECT_NE(b, c);
  book_.Remove(a);
  book_.Wake({1, 2});
  EXPECT_EQ(Woken(), "bc");
  book_.Remove(b);
  // Removes one a second time, and one that never existed.
  book_.Remove(b);
  book_.Remove(99);
  book_.Wake({1, 2});
  EXPECT_EQ(Woken(), "c");
  book_.Remove(c);
  book_.WakeAll();
  EXPECT_EQ(Woken(), "");
  EXPECT_NE(Add(1, "d"), c);
  book_.Wake({1});
  EXPECT_EQ(Woken(), "d");
}

}  // namespace
}  // namespace layernas
