#include "controller/engine/worker_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layernas {
namespace {

using ::testing::ElementsAre;

SteadyTime At(int ms) { return SteadyTime(Millis(ms)); }

WorkerInfo Worker(const std::string& id, int slots = 1) {
  WorkerInfo worker;
  worker.id = id;
  worker.slots = slots;
  return worker;
}

std::vector<std::string> Ids(const WorkerBook& book) {
  std::vector<std::string> ids;
  for (const auto& [id, worker] : book.workers()) ids.push_back(id);
  return ids;
}

bool Nobody(const std::string&) { return false; }

TEST(WorkerBook, ForgetsThoseLongSilent) {
  WorkerBook book;
  book.Hear(Worker("b"), At(1));
  book.Hear(Worker("a"), At(2));
  book.Hear(Worker("c"), At(3));
  book.Hear(Worker("b", 4), At(4));
  EXPECT_THAT(Ids(book), ElementsAre("a", "b", "c"));
  EXPECT_EQ(book.workers().at("b").info.slots, 4);
  EXPECT_EQ(book.workers().at("b").heard, At(4));
  book.Forget(At(2), At(5), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre("a", "b", "c"));
  book.Forget(At(4), At(5), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre("b"));
  book.Forget(At(5), At(5), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre());
  book.Hear(Worker("a"), At(6));
  EXPECT_THAT(Ids(book), ElementsAre("a"));
}

TEST(WorkerBook, KeepsThoseKnownToBeThere) {
  WorkerBook book;
  book.Hear(Worker("a"), At(1));
  book.Hear(Worker("b"), At(1));
  book.Forget(At(10), At(20), [](const std::string& id) { return id == "a"; });
  EXPECT_THAT(Ids(book), ElementsAre("a"));
  EXPECT_EQ(book.workers().at("a").heard, At(20));
  book.Forget(At(20), At(30), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre("a"));
  book.Forget(At(21), At(40), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre());
}

TEST(WorkerBook, ShunsWhoFailsAgainAndAgain) {
  WorkerBook book;
  book.Hear(Worker("a"), At(0));
  EXPECT_FALSE(book.Failed("a", "one", At(1)));
  EXPECT_FALSE(book.Failed("a", "two", At(2)));
  EXPECT_EQ(book.shunned(), 0u);
  EXPECT_TRUE(book.Failed("a", "three", At(3)));
  EXPECT_EQ(book.shunned(), 1u);
  EXPECT_EQ(book.workers().at("a").failures_in_a_row, 3);
  EXPECT_EQ(book.workers().at("a").last_failure, "three");
  EXPECT_EQ(book.workers().at("a").shunned_until, At(30'003));
  // What it had in hand when that began.
  EXPECT_FALSE(book.Failed("a", "four", At(4)));
  EXPECT_THAT(book.EndShuns(At(30'002)), ElementsAre());
  EXPECT_THAT(book.EndShuns(At(30'003)), ElementsAre("a"));
  EXPECT_EQ(book.shunned(), 0u);
  EXPECT_TRUE(book.IsOnProbation("a"));
  EXPECT_EQ(book.shunned(), 0u);
}

TEST(WorkerBook, ShunsForLongerEachTimeUntilItSucceeds) {
  WorkerBook book;
  book.Hear(Worker("a"), At(0));
  const auto fail = [&book] { return book.Failed("a", "why", At(0)); };
  const auto end = [&book] { book.EndShuns(At(1'000'000)); };
  fail();
  fail();
  for (const int seconds : {30, 60, 120, 240, 480, 600, 600}) {
    EXPECT_TRUE(fail());
    EXPECT_EQ(book.workers().at("a").last_shun, Millis{seconds * 1000});
    end();
  }
  book.Succeeded("a");
  EXPECT_FALSE(book.IsOnProbation("a"));
  EXPECT_EQ(book.workers().at("a").failures_in_a_row, 0);
  EXPECT_FALSE(fail());
  EXPECT_FALSE(fail());
  EXPECT_TRUE(fail());
  EXPECT_EQ(book.workers().at("a").last_shun, WorkerBook::kFirstShun);
}

TEST(WorkerBook, ForgetsWhomItShunned) {
  WorkerBook book;
  book.Hear(Worker("a"), At(1));
  for (int i = 0; i < 3; ++i) book.Failed("a", "why", At(1));
  book.Forget(At(2), At(2), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre());
  EXPECT_THAT(book.EndShuns(At(2)), ElementsAre("a"));
  EXPECT_EQ(book.shunned(), 0u);
  EXPECT_THAT(book.EndShuns(At(1'000'000)), ElementsAre());
  // Nobody that is known.
  EXPECT_FALSE(book.Failed("a", "why", At(3)));
  EXPECT_EQ(book.shunned(), 0u);
}

}  // namespace
}  // namespace layernas
