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

}  // namespace
}  // namespace layernas
