#include "controller/engine/lease_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controller/support/fake_clock.h"

namespace layernas {
namespace {

using Key = LeaseBook::Key;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(LeaseBook, KnowsWhoHoldsWhatUntilWhen) {
  LeaseBook book;
  book.Set({1, 1}, "a", At(10));
  book.Set({1, 2}, "b", At(20));
  book.Set({2, 1}, "a", At(10));
  EXPECT_EQ(book.size(), 3u);
  EXPECT_TRUE(book.Holds({1, 1}, "a"));
  EXPECT_FALSE(book.Holds({1, 1}, "b"));
  EXPECT_FALSE(book.Holds({3, 1}, "a"));
  EXPECT_THAT(book.OfWorker("a"), ElementsAre(Key{1, 1}, Key{2, 1}));
  EXPECT_THAT(book.OfWorker("c"), IsEmpty());
  EXPECT_THAT(book.Expired(At(9)), IsEmpty());
  EXPECT_THAT(book.Expired(At(10)), ElementsAre(Key{1, 1}, Key{2, 1}));
  // They stay until they are removed.
  EXPECT_THAT(book.Expired(At(20)), ElementsAre(Key{1, 1}, Key{2, 1}, Key{1, 2}));
}

TEST(LeaseBook, AnotherWorkerAndAnotherTimeTakeTheOldOnesPlace) {
  LeaseBook book;
  book.Set({1, 1}, "a", At(10));
  book.Set({1, 1}, "b", At(30));
  EXPECT_EQ(book.size(), 1u);
  EXPECT_THAT(book.OfWorker("a"), IsEmpty());
  EXPECT_THAT(book.Expired(At(29)), IsEmpty());
  EXPECT_THAT(book.Expired(At(30)), ElementsAre(Key{1, 1}));
  book.Remove({1, 1});
  book.Remove({1, 1});
  EXPECT_EQ(book.size(), 0u);
  EXPECT_THAT(book.OfWorker("b"), IsEmpty());
  EXPECT_THAT(book.Expired(At(99)), IsEmpty());
}

TEST(LeaseBook, ProgressIsThatOfTheWorkerWhateverItsName) {
  LeaseBook book;
  book.Set({1, 1}, "a", At(10), "process");
  book.SetProgress({1, 1}, {7, 9, 0.5});
  book.Rename({1, 1}, "a~proces", At(10), "process");
  EXPECT_TRUE(book.Holds({1, 1}, "a~proces"));
  EXPECT_EQ(book.ProgressOf({1, 1}).epoch, 7);
  book.Set({1, 1}, "b", At(20));
  EXPECT_EQ(book.ProgressOf({1, 1}).epoch, 0);
  EXPECT_EQ(book.InstanceOf({1, 1}), "");
}

}  // namespace
}  // namespace layernas
