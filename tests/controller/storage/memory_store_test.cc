// Tests what the store in memory does in addition to the contract of all stores.
#include "controller/storage/memory_store.h"

#include "tests/controller/storage/store_fixture.h"

namespace layernas::storage {
namespace {

// Three batches: the first two change and delete some records, and the last one adds a search.
std::vector<Batch> Batches() {
  std::vector<Batch> batches(3);
  batches[0].PutCandidate(1, Candidate(2, "another"));
  batches[0].PutCandidate(1, Candidate(4));
  batches[1].TrimChanges(1, 3);
  batches[1].PutNextSearchId(9);
  batches[2].PutSearch(Search(2));
  return batches;
}

// Returns how many of the batches are in the store; -1 if a batch is only partly there.
int Found(const Store& store) {
  const bool first = store.ReadCandidates(1, 3, 1)->candidates.size() == 1;
  EXPECT_EQ(store.ReadCandidates(1, 1, 1)->candidates[0], first ? Candidate(2, "another") : Candidate(2));
  const bool second = *store.NextSearchId() == 9;
  EXPECT_EQ(store.ReadChanges(1, 0, kAll)->size(), second ? 1u : 3u);
  const bool third = store.LoadSearches()->size() == 2;
  if ((second && !first) || (third && !second)) return -1;
  return first + second + third;
}

class MemoryStoreTest : public ::testing::Test {
 protected:
  MemoryStoreTest() { EXPECT_TRUE(store_.Commit(FullBatch(1)).ok()); }

  // Returns how many of three batches are there after the restart.
  int LeftAfter(const Crash& crash) {
    store_.CrashInNextCommit(crash);
    EXPECT_EQ(store_.Commit(Batches()).code(), absl::StatusCode::kAborted);
    EXPECT_TRUE(store_.crashed());
    // The process has ended: it neither reads nor writes.
    EXPECT_EQ(store_.LoadSearches().status().code(), absl::StatusCode::kAborted);
    EXPECT_EQ(store_.Lineage().status().code(), absl::StatusCode::kAborted);
    EXPECT_EQ(store_.Commit(FullBatch(7)).code(), absl::StatusCode::kAborted);
    store_.Restart();
    EXPECT_FALSE(store_.crashed());
    return Found(store_);
  }

  MemoryStore store_{5};
};

TEST_F(MemoryStoreTest, ACrashBeforeTheWriteLosesAll) { EXPECT_EQ(LeftAfter({Crash::Point::kBeforeWrite}), 0); }

TEST_F(MemoryStoreTest, ALossOfPowerLosesWhatWasNotSynced) {
  for (std::size_t written = 0; written <= 4; ++written) {
    EXPECT_EQ(LeftAfter({Crash::Point::kBeforeSync, written, /*power_lost=*/true}), 0) << written;
  }
}

TEST_F(MemoryStoreTest, TheDeathOfAProcessKeepsWhatItWrote) {
  for (int written = 0; written <= 3; ++written) {
    MemoryStoreTest::store_.Restart();
    EXPECT_EQ(LeftAfter({Crash::Point::kBeforeSync, static_cast<std::size_t>(written), /*power_lost=*/false}), written);
  }
}

TEST_F(MemoryStoreTest, ACrashAfterTheSyncKeepsAllWithoutSayingSo) {
  EXPECT_EQ(LeftAfter({Crash::Point::kAfterSync}), 3);
}

TEST_F(MemoryStoreTest, WhatWasCommittedSurvivesEveryCrash) {
  store_.CrashNow();
  EXPECT_EQ(store_.Commit(Batches()).code(), absl::StatusCode::kAborted);
  store_.Restart();
  ExpectFull(store_, 1);
  // A crash that did not happen before the process ended does not affect the next one.
  store_.CrashInNextCommit({});
  store_.Restart();
  EXPECT_TRUE(store_.Commit(Batches()).ok());
  EXPECT_EQ(Found(store_), 3);
}

TEST_F(MemoryStoreTest, TheSameSeedDrawsTheSameLineages) {
  MemoryStore again(5);
  EXPECT_EQ(*again.Lineage(), *store_.Lineage());
  EXPECT_NE(*MemoryStore(6).Lineage(), *store_.Lineage());
  ASSERT_TRUE(store_.CopyTo("copy").ok());
  ASSERT_TRUE(again.CopyTo("copy").ok());
  EXPECT_EQ(*store_.OpenCopy("copy")->Lineage(), *again.OpenCopy("copy")->Lineage());
  EXPECT_EQ(store_.OpenCopy("another"), nullptr);
}

}  // namespace
}  // namespace layernas::storage
