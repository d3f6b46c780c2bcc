#include "controller/engine/worker_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"
#include "tests/controller/support/fake_clock.h"

namespace layernas {
namespace {

using ::testing::ElementsAre;

WorkerInfo Worker(const std::string& id, int slots = 1) {
  WorkerInfo worker;
  worker.id = id;
  worker.slots = slots;
  return worker;
}

WorkerInfo Process(const std::string& id, const std::string& instance, int slots = 1) {
  WorkerInfo worker = Worker(id, slots);
  worker.instance = instance;
  worker.owner = "owner";
  return worker;
}

std::vector<std::string> Ids(const WorkerBook& book) {
  std::vector<std::string> ids;
  for (const auto& [id, worker] : book.workers()) ids.push_back(id);
  return ids;
}

bool Nobody(const std::string&) { return false; }

// Forgets workers that are away at once.
void Forget(WorkerBook& book, SteadyTime since, SteadyTime now,
            const std::function<bool(const std::string&)>& is_there) {
  book.NoteAway(since, now, is_there);
  book.Forget(since);
}

TEST(WorkerBook, ForgetsThoseLongSilent) {
  WorkerBook book;
  book.Hear(Worker("b"), At(1));
  book.Hear(Worker("a"), At(2));
  book.Hear(Worker("c"), At(3));
  book.Hear(Worker("b", 4), At(4));
  EXPECT_THAT(Ids(book), ElementsAre("a", "b", "c"));
  EXPECT_EQ(book.workers().at("b").info.slots, 4);
  EXPECT_EQ(book.workers().at("b").heard, At(4));
  Forget(book, At(2), At(5), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre("a", "b", "c"));
  Forget(book, At(4), At(5), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre("b"));
  Forget(book, At(5), At(5), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre());
  book.Hear(Worker("a"), At(6));
  EXPECT_THAT(Ids(book), ElementsAre("a"));
}

TEST(WorkerBook, KeepsThoseKnownToBeThere) {
  WorkerBook book;
  book.Hear(Worker("a"), At(1));
  book.Hear(Worker("b"), At(1));
  Forget(book, At(10), At(20), [](const std::string& id) { return id == "a"; });
  EXPECT_THAT(Ids(book), ElementsAre("a"));
  EXPECT_EQ(book.workers().at("a").heard, At(20));
  Forget(book, At(20), At(30), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre("a"));
  Forget(book, At(21), At(40), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre());
}

TEST(WorkerBook, ShunsWhoFailsAgainAndAgain) {
  WorkerBook book;
  book.Hear(Worker("good"), At(0));
  book.Hear(Worker("a"), At(0));
  EXPECT_FALSE(book.Failed("a", core::TaskKind::kEvaluate, {}, "one", At(1)));
  EXPECT_FALSE(book.Failed("a", core::TaskKind::kEvaluate, {}, "two", At(2)));
  EXPECT_EQ(book.shunned(), 0u);
  EXPECT_TRUE(book.Failed("a", core::TaskKind::kEvaluate, {}, "three", At(3)));
  EXPECT_EQ(book.shunned(), 1u);
  EXPECT_EQ(WorkerBook::FailuresInARow(book.workers().at("a")), 3);
  EXPECT_EQ(book.workers().at("a").last_failure, "three");
  EXPECT_EQ(book.workers().at("a").shunned_until, At(30'003));
  // A task that it already had when the shunning began.
  EXPECT_FALSE(book.Failed("a", core::TaskKind::kEvaluate, {}, "four", At(4)));
  EXPECT_THAT(book.EndShuns(At(30'002)), ElementsAre());
  EXPECT_THAT(book.EndShuns(At(30'003)), ElementsAre("a"));
  EXPECT_EQ(book.shunned(), 0u);
  EXPECT_TRUE(book.IsOnProbation("a"));
  EXPECT_EQ(book.shunned(), 0u);
}

// For example a worker whose device for measurements was unplugged, and which trains well.
TEST(WorkerBook, ASuccessOfAnyKindEndsTheProbation) {
  WorkerBook book;
  book.Hear(Worker("a"), At(0));
  for (int i = 0; i < 3; ++i) book.Failed("a", core::TaskKind::kMeasure, {}, "unplugged", At(0));
  book.EndShuns(At(30'000));
  book.BeginTest("a", {1, 7});
  EXPECT_TRUE(book.IsOnProbation("a"));
  book.Succeeded("a", core::TaskKind::kTrain);
  EXPECT_FALSE(book.IsOnProbation("a"));
  // The next failed measurement is one too many again, and the next test another one.
  EXPECT_TRUE(book.Failed("a", core::TaskKind::kMeasure, {}, "unplugged", At(40'000)));
  book.EndShuns(At(100'000));
  EXPECT_TRUE(book.IsOnProbation("a"));
  EXPECT_FALSE(book.TestOf("a").has_value());
}

TEST(WorkerBook, ShunsForLongerEachTimeUntilItSucceeds) {
  WorkerBook book;
  book.Hear(Worker("a"), At(0));
  const auto fail = [&book] { return book.Failed("a", core::TaskKind::kEvaluate, {}, "why", At(0)); };
  const auto end = [&book] { book.EndShuns(At(1'000'000)); };
  fail();
  fail();
  for (const int seconds : {30, 60, 120, 240, 480, 600, 600}) {
    EXPECT_TRUE(fail());
    EXPECT_EQ(book.workers().at("a").last_shun, Millis{seconds * 1000});
    end();
  }
  book.Succeeded("a", core::TaskKind::kEvaluate);
  EXPECT_FALSE(book.IsOnProbation("a"));
  EXPECT_EQ(WorkerBook::FailuresInARow(book.workers().at("a")), 0);
  EXPECT_FALSE(fail());
  EXPECT_FALSE(fail());
  EXPECT_TRUE(fail());
  EXPECT_EQ(book.workers().at("a").last_shun, WorkerBook::kFirstShun);
}

TEST(WorkerBook, ForgetsWhomItShunned) {
  WorkerBook book;
  book.Hear(Worker("a"), At(1));
  for (int i = 0; i < 3; ++i) book.Failed("a", core::TaskKind::kEvaluate, {}, "why", At(1));
  Forget(book, At(2), At(2), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre());
  EXPECT_THAT(book.EndShuns(At(2)), ElementsAre("a"));
  EXPECT_EQ(book.shunned(), 0u);
  EXPECT_THAT(book.EndShuns(At(1'000'000)), ElementsAre());
  // An unknown worker.
  EXPECT_FALSE(book.Failed("a", core::TaskKind::kEvaluate, {}, "why", At(3)));
  EXPECT_EQ(book.shunned(), 0u);
}

TEST(WorkerBook, NobodyCountsOnThoseThatAreAway) {
  WorkerBook book;
  WorkerInfo gpu = Worker("gpu");
  gpu.labels = {{"device", "gpu"}};
  book.Hear(gpu, At(0));
  book.Hear(Worker("other"), At(0));
  book.Hear(Worker("waits"), At(0));
  EXPECT_TRUE(book.HasOthers("waits", {{"device", "gpu"}}));
  book.NoteAway(At(10), At(20), [](const std::string& name) { return name == "waits"; });
  // It is shown but no longer counted on.
  EXPECT_THAT(Ids(book), ElementsAre("gpu", "other", "waits"));
  EXPECT_EQ(book.FitOf({}).connected, 1u);
  EXPECT_EQ(book.FitOf({}).known, 3u);
  EXPECT_FALSE(book.HasOthersUnshunned("waits", {}));
  EXPECT_FALSE(book.HasOthersUnshunned("waits", {{"device", "gpu"}}));
  // Except for permanent decisions.
  EXPECT_TRUE(book.HasOthers("waits", {{"device", "gpu"}}));
  EXPECT_TRUE(book.HasOthers("gpu", {}));
  book.Hear(gpu, At(30));
  EXPECT_TRUE(book.HasOthersUnshunned("waits", {{"device", "gpu"}}));
  book.Forget(At(15));
  EXPECT_THAT(Ids(book), ElementsAre("gpu", "waits"));
  EXPECT_FALSE(book.HasOthers("gpu", {{"device", "gpu"}}));
  book.NoteAway(At(31), At(40), Nobody);
  book.Forget(At(31));
  EXPECT_THAT(Ids(book), ElementsAre());
}

TEST(WorkerBook, WorkersThatAreExpectedCountUntilTheyAreHeardOrForgotten) {
  const PollBook::Requirements gpu = {{"device", "gpu"}};
  WorkerBook book;
  book.Expect("a", At(1));
  book.Expect("b", At(1));
  book.Hear(Worker("one"), At(2));
  EXPECT_TRUE(book.HasOthers("one", gpu));
  EXPECT_FALSE(book.HasOthersUnshunned("one", {}));
  EXPECT_TRUE(book.HasOthers("a", {}));
  // It has not the labels.
  book.Hear(Worker("a"), At(2));
  EXPECT_TRUE(book.HasOthers("one", gpu)) << "b may";
  book.Forget(At(1));
  EXPECT_TRUE(book.HasOthers("one", gpu));
  book.Forget(At(2));
  EXPECT_FALSE(book.HasOthers("one", gpu));
  book.Expect("c", At(3));
  EXPECT_TRUE(book.HasOthers("one", gpu));
  // It was not heard from before its goodbye.
  book.Leave("c", "");
  EXPECT_FALSE(book.HasOthers("one", gpu));
}

TEST(WorkerBook, AShunEndsOnceNobodyElseCanDoTheWork) {
  const PollBook::Requirements fast = {{"fast", "yes"}};
  WorkerBook book;
  for (const char* name : {"a", "b", "c"}) {
    WorkerInfo worker = Process(name, "111111111");
    if (name[0] != 'c') worker.labels = fast;
    book.Hear(worker, At(0));
  }
  for (int i = 0; i < 3; ++i) book.Failed("a", core::TaskKind::kEvaluate, fast, "why", At(1));
  EXPECT_THAT(book.EndShuns(At(2)), ElementsAre());
  // The remaining worker lacks the labels.
  book.Leave("b", "111111111");
  EXPECT_THAT(book.EndShuns(At(2)), ElementsAre("a"));
  EXPECT_EQ(book.FitOf(fast).shunned, 0u);
  EXPECT_THAT(book.EndShuns(At(2)), ElementsAre());
}

TEST(WorkerBook, ASuccessAtOneKindOfTaskSaysNothingOfAnother) {
  WorkerBook book;
  book.Hear(Worker("a"), At(1));
  book.Succeeded("a", core::TaskKind::kTrain);
  book.NotSucceeded("a", core::TaskKind::kTrain);
  book.Succeeded("a", core::TaskKind::kMeasure);
  EXPECT_TRUE(book.SucceededLast("a", core::TaskKind::kMeasure));
  EXPECT_FALSE(book.SucceededLast("a", core::TaskKind::kTrain));
}

TEST(WorkerBook, EachOfTwoProcessesOfOneIdHasARow) {
  WorkerBook book;
  book.Hear(Process("a", "111111111", 1), At(1));
  book.Hear(Process("a", "222222222", 2), At(2));
  EXPECT_THAT(Ids(book), ElementsAre("a"));
  EXPECT_EQ(book.OwnerOf("a", "222222222"), "owner");
  EXPECT_EQ(book.OwnerOf("a", "333333333"), "owner") << "a restart makes no row";
  EXPECT_EQ(book.OwnerOf("a", "111111111"), "");
  EXPECT_EQ(book.OwnerOf("b", "111111111"), "");
  const WorkerNames::Heard heard = book.Hear(Process("a", "111111111", 1), At(3));
  EXPECT_EQ(heard.name, "a~111111");
  EXPECT_TRUE(heard.is_told_apart);
  EXPECT_THAT(Ids(book), ElementsAre("a", "a~111111"));
  EXPECT_EQ(book.OwnerOf("a", "111111111"), "owner");
  EXPECT_EQ(book.workers().at("a").info.slots, 2);
  EXPECT_EQ(book.workers().at("a").heard, At(2));
  EXPECT_EQ(book.workers().at("a~111111").info.slots, 1);
  EXPECT_EQ(book.workers().at("a~111111").heard, At(3));
  // The worker that has been silent longest is removed first.
  Forget(book, At(3), At(4), Nobody);
  EXPECT_THAT(Ids(book), ElementsAre("a~111111"));
}

TEST(WorkerBook, FailuresAreThoseOfTheProcessThatFailed) {
  for (const bool first_fails : {true, false}) {
    WorkerBook book;
    const auto fail = [&book] {
      for (int i = 0; i < WorkerBook::kFailuresBorne; ++i)
        book.Failed("a", core::TaskKind::kEvaluate, {}, "why", At(2));
    };
    book.Hear(Process("a", "111111111"), At(1));
    if (first_fails) fail();
    book.Hear(Process("a", "222222222"), At(2));
    if (!first_fails) fail();
    EXPECT_EQ(book.shunned(), 1u);
    book.Hear(Process("a", "111111111"), At(3));
    const WorkerBook::Worker& first = book.workers().at("a~111111");
    const WorkerBook::Worker& second = book.workers().at("a");
    EXPECT_EQ(first.shunned, first_fails);
    EXPECT_EQ(second.shunned, !first_fails);
    EXPECT_EQ(WorkerBook::FailuresInARow(first), first_fails ? 3 : 0);
    EXPECT_EQ(WorkerBook::FailuresInARow(second), first_fails ? 0 : 3);
    EXPECT_EQ(book.IsOnProbation("a~111111"), first_fails);
    EXPECT_EQ(book.IsOnProbation("a"), !first_fails);
    EXPECT_EQ(book.FitOf({}).shunned, 1u);
    EXPECT_THAT(book.EndShuns(At(1'000'000)), ElementsAre(first_fails ? "a~111111" : "a"));
    EXPECT_EQ(book.FitOf({}).shunned, 0u);
  }
}

TEST(WorkerBook, WhatWasForgivenMovesNoRecord) {
  WorkerBook book;
  book.Hear(Process("a", "111111111"), At(1));
  book.Failed("a", core::TaskKind::kEvaluate, {}, "why", At(1));
  book.Succeeded("a", core::TaskKind::kEvaluate);
  book.Hear(Process("a", "222222222"), At(2));
  book.Succeeded("a", core::TaskKind::kEvaluate);
  book.Hear(Process("a", "111111111"), At(3));
  EXPECT_TRUE(book.SucceededLast("a", core::TaskKind::kEvaluate));
}

TEST(WorkerBook, AGoodbyeTakesNoNameFromAnother) {
  WorkerBook book;
  book.Hear(Process("a", "111111111"), At(1));
  book.Hear(Process("a", "222222222"), At(2));
  // The other process had replaced it and keeps the id.
  book.Leave("a", "111111111");
  EXPECT_THAT(Ids(book), ElementsAre("a"));
  EXPECT_EQ(book.Hear(Process("a", "222222222"), At(3)).name, "a");
  // If both have a row, only its own row is removed.
  book.Hear(Process("a", "333333333"), At(4));
  book.Hear(Process("a", "222222222"), At(5));
  EXPECT_THAT(Ids(book), ElementsAre("a", "a~222222"));
  book.Leave("a", "333333333");
  EXPECT_THAT(Ids(book), ElementsAre("a~222222"));
  EXPECT_EQ(book.Hear(Process("a", "222222222"), At(6)).name, "a~222222");
  EXPECT_THAT(Ids(book), ElementsAre("a~222222"));
  book.Leave("a", "never heard of");
  EXPECT_THAT(Ids(book), ElementsAre("a~222222"));
  book.Leave("a", "222222222");
  EXPECT_THAT(Ids(book), ElementsAre());
  EXPECT_TRUE(book.names().empty());
}

TEST(WorkerBook, OneThatSaysNoInstanceAnyMoreLeavesNothingBehind) {
  WorkerBook book;
  book.Hear(Process("a", "111111111"), At(1));
  book.Hear(Process("a", ""), At(2));
  Forget(book, At(10), At(10), Nobody);
  EXPECT_TRUE(book.names().empty());
}

TEST(WorkerBook, OneThatWaitsIsHeardUnderItsName) {
  WorkerBook book;
  book.Hear(Process("a", "111111111"), At(1));
  book.HearWaiting("a", At(5));
  book.HearWaiting("b", At(5));
  EXPECT_THAT(Ids(book), ElementsAre("a"));
  EXPECT_EQ(book.workers().at("a").heard, At(5));
}

TEST(WorkerBook, ForgetsTheProcessesOfAWorkerThatIsGone) {
  WorkerBook book;
  book.Hear(Process("a", "111111111"), At(1));
  book.Hear(Process("a", "222222222"), At(1));
  Forget(book, At(10), At(10), Nobody);
  EXPECT_FALSE(book.Hear(Process("a", "111111111"), At(11)).is_told_apart);
}

TEST(WorkerBook, LostLeasesAreNewsOnceSinceItWasHeard) {
  WorkerBook book;
  EXPECT_FALSE(book.Lost("a"));
  book.Hear(Worker("a"), At(1));
  EXPECT_TRUE(book.Lost("a"));
  EXPECT_FALSE(book.Lost("a"));
  book.Hear(Worker("a"), At(2));
  EXPECT_TRUE(book.Lost("a"));
}

// Compares the counts with a recount.
TEST(WorkerBook, CountsTheWorkersThatFit) {
  const std::vector<std::map<std::string, std::string>> labels = {
      {}, {{"a", "1"}}, {{"a", "2"}}, {{"a", "1"}, {"b", "1"}}, {{"b", "1"}, {"c", "1"}}};
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    RandomStream random({seed});
    WorkerBook book;
    int now = 0;
    const auto any_worker = [&random] { return "w" + std::to_string(random.Below(8)); };
    for (int step = 0; step < 2'000; ++step) {
      now += static_cast<int>(random.Below(4'000));
      switch (random.Below(8)) {
        case 0:
          book.NoteAway(At(now - 10'000), At(now), [](const std::string& id) { return id == "w0"; });
          book.Forget(At(now - 20'000));
          break;
        case 1:
          book.EndShuns(At(now));
          break;
        case 2:
          book.Succeeded(any_worker(), core::TaskKind::kEvaluate);
          break;
        case 3:
        case 4:
        case 5:
          book.Failed(any_worker(), core::TaskKind::kEvaluate, labels[random.Below(labels.size())], "why", At(now));
          break;
        default: {
          WorkerInfo worker = Worker(any_worker());
          worker.labels = labels[random.Below(labels.size())];
          book.Hear(worker, At(now));
        }
      }
      const auto& requirements = labels[random.Below(labels.size())];
      std::size_t known = 0;
      std::size_t connected = 0;
      std::size_t shunned = 0;
      for (const auto& [id, worker] : book.workers()) {
        if (!Meets(worker.info, requirements)) continue;
        ++known;
        if (worker.away) continue;
        ++connected;
        if (worker.shunned) ++shunned;
      }
      ASSERT_EQ(book.FitOf(requirements).known, known);
      ASSERT_EQ(book.FitOf(requirements).connected, connected);
      ASSERT_EQ(book.FitOf(requirements).shunned, shunned);
      const std::string one = any_worker();
      bool others = false;
      bool others_unshunned = false;
      for (const auto& [id, worker] : book.workers()) {
        if (id == one || !Meets(worker.info, requirements)) continue;
        others = true;
        others_unshunned = others_unshunned || !(worker.shunned || worker.away);
      }
      ASSERT_EQ(book.HasOthers(one, requirements), others);
      ASSERT_EQ(book.HasOthersUnshunned(one, requirements), others_unshunned);
    }
  }
}

}  // namespace
}  // namespace layernas
