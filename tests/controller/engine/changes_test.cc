#include <atomic>

#include "tests/controller/engine/engine_fixture.h"

namespace layernas {
namespace {

using ::testing::IsEmpty;

class ChangesTest : public EngineTest {
 protected:
  // Reads the changes after `after` in pages of `limit`, and checks that each page continues where
  // the last one ended.
  std::vector<storage::StoredChange> ReadAll(const std::string& name, std::uint64_t after, std::size_t limit) {
    std::vector<storage::StoredChange> all;
    while (true) {
      const auto view = ReadChanges(name, after, limit);
      EXPECT_TRUE(view.ok()) << view.status();
      if (!view.ok() || view->changes.empty()) return all;
      EXPECT_FALSE(view->gap);
      EXPECT_LE(view->changes.size(), limit);
      EXPECT_GE(view->search.sequence, view->changes.back().sequence);
      for (const storage::StoredChange& change : view->changes) {
        EXPECT_EQ(change.sequence, ++after);
        all.push_back(change);
      }
    }
  }
};

TEST_F(ChangesTest, TheFeedTellsTheWholeStory) {
  const std::string name = Create(LayerNasSpec("s"));
  clock_.Pass(Millis{1000});
  Finish();
  const std::vector<storage::StoredChange> changes = ReadAll(name, 0, kAll);
  EXPECT_EQ(changes.size(), Get(name)->sequence);
  EXPECT_FALSE(changes.front().candidate);
  EXPECT_EQ(changes.front().time, FakeClock::kStart);
  // Applied in order, they give the current state.
  std::map<std::uint64_t, core::Candidate> played;
  bool ended = false;
  for (const storage::StoredChange& change : changes) {
    if (change.candidate) {
      EXPECT_EQ(change.time, FakeClock::kStart + 1000);
      played[change.candidate->number] = *change.candidate;
    } else {
      ended = change.sequence == changes.back().sequence;
    }
  }
  EXPECT_TRUE(ended) << "the search's end is not the last change";
  const std::vector<core::Candidate> candidates = Candidates(name);
  ASSERT_EQ(played.size(), candidates.size());
  for (const core::Candidate& candidate : candidates) EXPECT_EQ(played[candidate.number], candidate);
}

TEST_F(ChangesTest, TheFeedIsResumedAnywhere) {
  const std::string name = Create(LayerNasSpec("s"));
  Finish();
  const std::vector<storage::StoredChange> all = ReadAll(name, 0, kAll);
  EXPECT_EQ(ReadAll(name, 0, 3), all);
  for (const std::uint64_t after : {std::uint64_t{1}, all.size() / 2, all.size() - 1}) {
    const std::vector<storage::StoredChange> rest(all.begin() + static_cast<std::ptrdiff_t>(after), all.end());
    EXPECT_EQ(ReadAll(name, after, 7), rest);
  }
  Restart();
  EXPECT_EQ(ReadAll(name, 0, 100), all);
  const auto none = ReadChanges(name, all.size());
  EXPECT_THAT(none->changes, IsEmpty());
  EXPECT_FALSE(none->gap);
}

TEST_F(ChangesTest, ANumberFromTheFutureIsAGap) {
  const std::string name = Create(RandomSpec("s", 5));
  for (const std::uint64_t after : {Get(name)->sequence + 1, ~std::uint64_t{0}}) {
    const auto view = ReadChanges(name, after);
    EXPECT_TRUE(view->gap);
    EXPECT_THAT(view->changes, IsEmpty());
  }
}

TEST_F(ChangesTest, ARestoredCopyIsAGapForWhoeverWatchedTheOriginal) {
  const std::string name = Create(RandomSpec("s", 20));
  for (const LeasedTask& task : Lease("w", 3)) Complete("w", task);
  const std::string copy = temp_.Path("copy");
  ASSERT_TRUE(store_->CopyTo(copy).ok());
  for (const LeasedTask& task : Lease("w", 3)) Complete("w", task);
  const std::uint64_t seen = ReadChanges(name, 0)->search.sequence;
  Stop();
  directory_ = copy;
  Start();
  // The copy's own history continues and passes the number that was seen.
  for (int i = 0; i < 4; ++i) {
    for (const LeasedTask& task : Lease("v", 3)) Complete("v", task);
  }
  EXPECT_TRUE(ReadChanges(name, seen)->gap);
  const std::uint64_t now = ReadChanges(name, 0)->search.sequence;
  EXPECT_GT(now, seen);
  EXPECT_FALSE(ReadChanges(name, now)->gap);
}

TEST_F(ChangesTest, ASearchMadeAfterARestoreIsAGapForWhoeverWatchedAnotherOfItsNumber) {
  const std::string copy = temp_.Path("copy");
  ASSERT_TRUE(store_->CopyTo(copy).ok());
  const std::string name = Create(RandomSpec("s", 20));
  for (const LeasedTask& task : Lease("w", 3)) Complete("w", task);
  const std::uint64_t seen = ReadChanges(name, 0)->search.sequence;
  Stop();
  directory_ = copy;
  Start();
  ASSERT_EQ(Create(RandomSpec("s", 20)), name);
  for (const LeasedTask& task : Lease("v", 3)) Complete("v", task);
  EXPECT_TRUE(ReadChanges(name, seen)->gap);
  const std::uint64_t now = ReadChanges(name, 0)->search.sequence;
  EXPECT_FALSE(ReadChanges(name, now)->gap);
}

TEST_F(ChangesTest, WhatWasTrimmedIsAGap) {
  Stop();
  options_.kept_changes = 10;
  Start();
  const std::string name = Create(RandomSpec("s", 700, 5, 5));
  const std::string other = Create(RandomSpec("t", 3));
  Finish();
  auto view = ReadChanges(name, 0);
  ASSERT_TRUE(view->gap);
  ASSERT_FALSE(view->changes.empty());
  const std::uint64_t first = view->changes.front().sequence;
  EXPECT_GT(first, 300u);
  EXPECT_GE(view->search.sequence - first, 10u);
  EXPECT_EQ(ReadAll(name, first - 1, kAll).size(), view->search.sequence - first + 1);
  // A read may continue from the number before the first kept change, but not from earlier numbers.
  EXPECT_FALSE(ReadChanges(name, first - 1)->gap);
  EXPECT_TRUE(ReadChanges(name, first - 2)->gap);
  // The other search's feed is complete.
  EXPECT_EQ(ReadAll(other, 0, kAll).size(), Get(other)->sequence);

  Restart();
  EXPECT_EQ(Get(name)->sequence, view->search.sequence);
  EXPECT_EQ(ReadChanges(name, 0)->changes.front().sequence, first);
}

TEST_F(ChangesTest, NumbersGoOnAfterARestartAndATrimming) {
  Stop();
  options_.kept_changes = 0;
  Start();
  const std::string name = Create(RandomSpec("s", 800, 5, 5));
  for (int i = 0; i < 70; ++i) {
    for (const LeasedTask& task : Lease("w", 8)) Complete("w", task);
  }
  const std::uint64_t before = Get(name)->sequence;
  Restart();
  EXPECT_EQ(Get(name)->sequence, before);
  Complete("w", LeaseOne("w"));
  EXPECT_EQ(Get(name)->sequence, before + 2);
  EXPECT_EQ(ReadAll(name, before, kAll).size(), 2u);
}

TEST_F(ChangesTest, AWatchIsCalledAfterEachChangeOfItsSearch) {
  const std::string name = Create(RandomSpec("s", 50));
  const std::string other = Create(RandomSpec("t", 50));
  std::atomic<int> calls{0};
  std::atomic<std::uint64_t> seen{0};
  const Engine::WatchId watch = engine_->Watch(1, [&] {
    ++calls;
    // The change can be read at once.
    engine_->ReadChanges(name, 0, kAll, [&seen](const absl::StatusOr<ChangesView>& view) {
      if (view.ok() && !view->changes.empty()) seen = std::max<std::uint64_t>(seen, view->changes.back().sequence);
    });
  });
  ASSERT_TRUE(Pause(other).ok());
  Settle();
  EXPECT_EQ(calls, 0);
  const LeasedTask task = LeaseOne("w");
  Settle();
  EXPECT_EQ(calls, 1);
  Complete("w", task);
  Settle();
  EXPECT_EQ(calls, 2);
  // A read after the watch's own read is answered after it.
  ASSERT_TRUE(ReadChanges(name, 0, 1).ok());
  EXPECT_EQ(seen, Get(name)->sequence);
  engine_->Unwatch(watch);
  ASSERT_TRUE(Pause(name).ok());
  Settle();
  EXPECT_EQ(calls, 2);
}

TEST_F(ChangesTest, AWatchIsNotCalledForNothing) {
  v1::SearchSpec spec = RandomSpec("s", 50);
  spec.mutable_budget()->mutable_duration()->set_seconds(3600);
  const std::string name = Create(spec);
  const std::string token = FormatLeaseToken(LeaseOne("w").token);
  Settle();
  std::atomic<int> calls{0};
  const Engine::WatchId watch = engine_->Watch(1, [&] { ++calls; });
  EXPECT_EQ(Heartbeat("w", {token}).size(), 1u);
  ASSERT_TRUE(Get(name).ok());
  Pass(Millis{1000});
  Pass(Millis{1000});
  EXPECT_EQ(calls, 0);
  engine_->Unwatch(watch);
}

TEST_F(ChangesTest, ADeletedSearchWakesItsWatches) {
  const std::string name = Create(RandomSpec("s", 5));
  ASSERT_TRUE(Cancel(name).ok());
  Settle();
  std::atomic<int> calls{0};
  const Engine::WatchId watch = engine_->Watch(1, [&] { ++calls; });
  ASSERT_TRUE(Delete(name).ok());
  Settle();
  EXPECT_EQ(calls, 1);
  engine_->Unwatch(watch);
}

TEST_F(ChangesTest, DrainingWakesAllWatchesAndEndsReading) {
  const std::string name = Create(RandomSpec("s", 5));
  Settle();
  std::atomic<int> calls{0};
  const Engine::WatchId first = engine_->Watch(1, [&] { ++calls; });
  const Engine::WatchId second = engine_->Watch(99, [&] { ++calls; });
  engine_->Drain();
  Settle();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(ReadChanges(name, 0).status().code(), absl::StatusCode::kUnavailable);
  engine_->Unwatch(first);
  engine_->Unwatch(second);
}

}  // namespace
}  // namespace layernas
