// Tests the contract of all stores.
#include <thread>

#include "controller/storage/memory_store.h"
#include "tests/controller/storage/store_fixture.h"

namespace layernas::storage {
namespace {

using ::testing::HasSubstr;

// A disk, real or not, with a store on it.
class Disk {
 public:
  virtual ~Disk() = default;
  // Opens the store as a new process, after the previous process has ended.
  virtual Store* Open() = 0;
  // Opens a copy as a new process: one that CopyTo(CopyName(name)) made, or that an earlier process
  // left.
  virtual std::unique_ptr<Store> OpenCopy(const std::string& name) = 0;
  virtual std::string CopyName(const std::string& name) { return name; }
};

class RealDisk : public Disk {
 public:
  Store* Open() override {
    store_.reset();
    auto opened = Store::Open(temp_.Path("data"));
    EXPECT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    return store_.get();
  }
  std::unique_ptr<Store> OpenCopy(const std::string& name) override {
    // Like an operator who restores a backup: uses a copy of it and keeps the backup.
    const std::string restored = temp_.Path("restored" + std::to_string(++restored_));
    std::filesystem::copy(CopyName(name), restored, std::filesystem::copy_options::recursive);
    auto opened = Store::Open(restored);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  std::string CopyName(const std::string& name) override { return temp_.Path(name); }

 private:
  TempDir temp_;
  int restored_ = 0;
  std::unique_ptr<Store> store_;
};

class MemoryDisk : public Disk {
 public:
  Store* Open() override {
    store_.Restart();
    return &store_;
  }
  std::unique_ptr<Store> OpenCopy(const std::string& name) override { return store_.OpenCopy(name); }

 private:
  MemoryStore store_{1};
};

class StoreContractTest : public ::testing::TestWithParam<std::string> {
 protected:
  StoreContractTest() { Format(); }
  // Replaces the disk with an empty one.
  void Format() {
    if (GetParam() == "Rocks") {
      disk_ = std::make_unique<RealDisk>();
    } else {
      disk_ = std::make_unique<MemoryDisk>();
    }
  }
  Store* Open() { return disk_->Open(); }
  static void Commit(Store& store, Batch batch) {
    const absl::Status status = store.Commit(std::move(batch));
    ASSERT_TRUE(status.ok()) << status;
  }

  std::unique_ptr<Disk> disk_;
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreContractTest, ::testing::Values("Rocks", "Memory"),
                         [](const auto& one) { return one.param; });

TEST_P(StoreContractTest, AnEmptyStoreHasNothing) {
  const auto store = Open();
  EXPECT_EQ(*store->NextSearchId(), 1u);
  EXPECT_TRUE(store->LoadSearches()->empty());
  EXPECT_TRUE(store->ReadCandidates(1, 0, kAll)->candidates.empty());
  EXPECT_TRUE(store->ReadChanges(1, 0, kAll)->empty());
  EXPECT_TRUE(store->ReadBuckets(1)->empty());
  EXPECT_TRUE(Batch().empty());
  EXPECT_TRUE(store->Commit(Batch()).ok());
}

TEST_P(StoreContractTest, EverythingComesBackAfterReopening) {
  {
    const auto store = Open();
    Batch batch = FullBatch(1);
    EXPECT_FALSE(batch.empty());
    batch.PutNextSearchId(257);
    Commit(*store, std::move(batch));
    Commit(*store, FullBatch(256));
    Batch overwrite;
    overwrite.PutCandidate(256, Candidate(2, "another"));
    Commit(*store, std::move(overwrite));
  }
  const auto store = Open();
  EXPECT_EQ(*store->NextSearchId(), 257u);
  ExpectFull(*store, 1);
  const auto loaded = *store->LoadSearches();
  ASSERT_EQ(loaded.size(), 2u);
  EXPECT_EQ(loaded[0].search, Search(1));
  EXPECT_EQ(loaded[0].sequence, 3u);
  EXPECT_THAT(loaded[0].candidates, ::testing::ElementsAre(Candidate(1), Candidate(2), Candidate(3)));
  EXPECT_EQ(loaded[1].search, Search(256));
  EXPECT_EQ(loaded[1].candidates[1], Candidate(2, "another"));
}

TEST_P(StoreContractTest, LogsAreOfOneCandidateAndGoByRange) {
  const auto store = Open();
  Batch batch;
  for (const std::uint32_t attempt : {1u, 2u, 300u}) {
    batch.PutLog({1, 2, attempt}, Log("attempt " + std::to_string(attempt)));
  }
  batch.PutLog({1, 1, 1}, Log("the candidate before"));
  batch.PutLog({1, 3, 1}, Log("the candidate after"));
  batch.PutLog({2, 2, 1}, Log("another search"));
  Commit(*store, std::move(batch));
  const auto attempts = [&](std::uint64_t search, std::uint64_t candidate) {
    std::vector<int> found;
    const auto logs = *store->ReadLogs(search, candidate);
    for (const auto& [attempt, log] : logs) found.push_back(attempt);
    return found;
  };
  EXPECT_THAT(attempts(1, 2), ::testing::ElementsAre(1, 2, 300));
  EXPECT_EQ(store->ReadLogs(1, 2)->at(300), Log("attempt 300"));

  Batch attempts_go;
  attempts_go.DeleteLogs({1, 2, 0}, {1, 2, 2});
  Commit(*store, std::move(attempts_go));
  EXPECT_THAT(attempts(1, 2), ::testing::ElementsAre(2, 300));
  Batch candidates_go;
  candidates_go.DeleteLogs({1, 0, 0}, {1, 3, 0});
  Commit(*store, std::move(candidates_go));
  EXPECT_THAT(attempts(1, 1), ::testing::IsEmpty());
  EXPECT_THAT(attempts(1, 2), ::testing::IsEmpty());
  EXPECT_THAT(attempts(1, 3), ::testing::ElementsAre(1));
  Batch search_goes;
  search_goes.DeleteSearch(1);
  Commit(*store, std::move(search_goes));
  EXPECT_THAT(attempts(1, 3), ::testing::IsEmpty());
  EXPECT_THAT(attempts(2, 2), ::testing::ElementsAre(1));
}

TEST_P(StoreContractTest, ReadsByStateLookAtSoManyAtMost) {
  const auto store = Open();
  Batch batch;
  batch.PutSearch(Search(1));
  for (std::uint64_t number = 1; number <= 20; ++number) {
    core::Candidate candidate = Candidate(number);
    candidate.state = number % 5 == 0 ? core::CandidateState::kFailed : core::CandidateState::kSucceeded;
    batch.PutCandidate(1, candidate);
  }
  Commit(*store, std::move(batch));
  const auto numbers = [&](std::uint64_t after, std::size_t limit, std::size_t max_scanned) {
    const CandidateRows rows = *store->ReadCandidates(1, after, limit, {core::CandidateState::kFailed}, max_scanned);
    std::vector<std::uint64_t> all;
    for (const core::Candidate& candidate : rows.candidates) all.push_back(candidate.number);
    return std::pair(all, rows.next.value_or(0));
  };
  using Found = std::pair<std::vector<std::uint64_t>, std::uint64_t>;
  EXPECT_EQ(numbers(0, 9, 100), (Found{{5, 10, 15, 20}, 0}));
  EXPECT_EQ(numbers(0, 2, 100), (Found{{5, 10}, 10}));
  EXPECT_EQ(numbers(0, 9, 12), (Found{{5, 10}, 12}));
  EXPECT_EQ(numbers(10, 9, 3), (Found{{}, 13}));
  EXPECT_EQ(numbers(13, 9, 7), (Found{{15, 20}, 0}));
}

TEST_P(StoreContractTest, ReadsAreBoundedInMemory) {
  const auto store = Open();
  Batch batch;
  batch.PutSearch(Search(1));
  for (std::uint64_t number = 1; number <= 12; ++number) {
    batch.PutCandidate(1, Candidate(number, std::string(1 << 20, 'w')));
  }
  Commit(*store, std::move(batch));
  const CandidateRows rows = *store->ReadCandidates(1, 0, kAll);
  EXPECT_GT(rows.candidates.size(), 4u);
  EXPECT_LT(rows.candidates.size(), 12u);
  ASSERT_EQ(rows.next, rows.candidates.size());
  const CandidateRows rest = *store->ReadCandidates(1, *rows.next, kAll);
  EXPECT_EQ(rows.candidates.size() + rest.candidates.size(), 12u);
  EXPECT_EQ(rest.next, std::nullopt);
}

TEST_P(StoreContractTest, BatchesCommittedTogetherAreSyncedOnce) {
  {
    const auto store = Open();
    const std::uint64_t before = store->syncs();
    std::vector<Batch> batches;
    batches.push_back(FullBatch(1));
    batches.push_back(FullBatch(2));
    Batch overwrite;
    overwrite.PutChangedCandidate(1, Candidate(2, "another"), 4, 1234);
    batches.push_back(std::move(overwrite));
    ASSERT_TRUE(store->Commit(std::move(batches)).ok());
    EXPECT_EQ(store->syncs(), before + 1);
    Commit(*store, FullBatch(3));
    EXPECT_EQ(store->syncs(), before + 2);
  }
  const auto store = Open();
  ExpectFull(*store, 2);
  ExpectFull(*store, 3);
  EXPECT_EQ(store->ReadCandidates(1, 1, 1)->candidates[0], Candidate(2, "another"));
  const std::vector<StoredChange> changes = *store->ReadChanges(1, 3, kAll);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0], (StoredChange{4, 1234, Candidate(2, "another")}));
}

TEST_P(StoreContractTest, ABatchThatWasNotCommittedLeavesNothing) {
  const auto store = Open();
  { const Batch batch = FullBatch(1); }
  EXPECT_TRUE(store->LoadSearches()->empty());
}

TEST_P(StoreContractTest, ReadsHonourTheirStartAndTheirLimit) {
  const auto store = Open();
  Commit(*store, FullBatch(1));
  // Records of a neighbour must never appear.
  Commit(*store, FullBatch(2));
  EXPECT_TRUE(store->ReadCandidates(1, 0, 0)->candidates.empty());
  EXPECT_THAT(store->ReadCandidates(1, 0, 2)->candidates, ::testing::ElementsAre(Candidate(1), Candidate(2)));
  EXPECT_THAT(store->ReadCandidates(1, 1, 1)->candidates, ::testing::ElementsAre(Candidate(2)));
  EXPECT_THAT(store->ReadCandidates(1, 2, 9)->candidates, ::testing::ElementsAre(Candidate(3)));
  EXPECT_TRUE(store->ReadCandidates(1, 3, 9)->candidates.empty());
  EXPECT_TRUE(store->ReadCandidates(1, kMax, 9)->candidates.empty());
  EXPECT_EQ(store->ReadCandidates(1, 0, 2)->next, 2u);
  EXPECT_EQ(store->ReadCandidates(1, 0, 3)->next, std::nullopt);
  EXPECT_TRUE(store->ReadChanges(1, 0, 0)->empty());
  EXPECT_EQ(Numbers(*store->ReadChanges(1, 0, 2)), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(Numbers(*store->ReadChanges(1, 2, 9)), (std::vector<std::uint64_t>{3}));
  EXPECT_TRUE(store->ReadChanges(1, 3, 9)->empty());
  EXPECT_TRUE(store->ReadChanges(1, kMax, 9)->empty());
}

TEST_P(StoreContractTest, TrimmedChangesAreGoneAndTheOthersStay) {
  const auto store = Open();
  for (const std::uint64_t id : {1, 2}) {
    Batch batch;
    batch.PutSearch(Search(id));
    for (std::uint64_t sequence = 1; sequence <= 600; ++sequence) batch.PutChange(id, Change(sequence));
    Commit(*store, std::move(batch));
  }
  Batch trim;
  trim.TrimChanges(1, 500);
  Commit(*store, std::move(trim));
  EXPECT_EQ(store->ReadChanges(1, 0, 1)->front().sequence, 500u);
  EXPECT_EQ(store->ReadChanges(1, 0, kAll)->size(), 101u);
  EXPECT_EQ(store->ReadChanges(2, 0, kAll)->size(), 600u);
  EXPECT_EQ(store->LoadSearches()->front().sequence, 600u);
}

TEST_P(StoreContractTest, DeletingASearchLeavesItsNeighbours) {
  for (const std::uint64_t victim : {1, 2, 255, 256}) {
    Format();
    const auto store = Open();
    for (const std::uint64_t id : {1, 2, 255, 256}) Commit(*store, FullBatch(id));
    Batch batch;
    batch.DeleteSearch(victim);
    Commit(*store, std::move(batch));
    EXPECT_TRUE(store->ReadCandidates(victim, 0, kAll)->candidates.empty());
    EXPECT_TRUE(store->ReadChanges(victim, 0, kAll)->empty());
    EXPECT_TRUE(store->ReadBuckets(victim)->empty());
    EXPECT_EQ(store->LoadSearches()->size(), 3u);
    for (const std::uint64_t id : {1, 2, 255, 256}) {
      if (id != victim) ExpectFull(*store, id);
    }
  }
}

TEST_P(StoreContractTest, AMissingCandidateIsDataLoss) {
  const auto store = Open();
  Batch batch;
  batch.PutSearch(Search(1));
  batch.PutCandidate(1, Candidate(1));
  batch.PutCandidate(1, Candidate(3));
  Commit(*store, std::move(batch));
  const auto loaded = store->LoadSearches();
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("candidate 2 of search 1"));
}

TEST_P(StoreContractTest, ReclaimingCanBeStopped) {
  const auto store = Open();
  Commit(*store, FullBatch(1));
  store->StopReclaiming();
  EXPECT_TRUE(store->Reclaim(2).ok());
  ExpectFull(*store, 1);
}

TEST_P(StoreContractTest, ReadersAndTheWriterGoTogether) {
  const auto store = Open();
  Commit(*store, FullBatch(1));
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&store] {
      std::size_t before = 0;
      for (int j = 0; j < 200; ++j) {
        const std::size_t now = store->ReadChanges(1, 3, kAll)->size();
        EXPECT_GE(now, before);
        EXPECT_EQ(now % 2, 0u) << "half a batch was seen";
        before = now;
      }
    });
  }
  for (std::uint64_t sequence = 4; sequence < 204; sequence += 2) {
    Batch batch;
    batch.PutChange(1, Change(sequence));
    batch.PutChange(1, Change(sequence + 1));
    Commit(*store, std::move(batch));
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(store->ReadChanges(1, 3, kAll)->size(), 200u);
}

TEST_P(StoreContractTest, EveryNewStoreHasALineageThatStays) {
  const std::uint64_t lineage = *Open()->Lineage();
  EXPECT_NE(lineage, 0u);
  EXPECT_EQ(*Open()->Lineage(), lineage);
}

TEST_P(StoreContractTest, ACopyHoldsWhatWasCommittedBeforeAndGoesItsOwnWay) {
  Store* store = Open();
  Commit(*store, FullBatch(1));
  ASSERT_TRUE(store->CopyTo(disk_->CopyName("copy")).ok());
  EXPECT_FALSE(store->CopyTo(disk_->CopyName("copy")).ok());
  Commit(*store, FullBatch(2));
  const auto copy = disk_->OpenCopy("copy");
  Commit(*copy, FullBatch(3));
  const auto ids = [](const Store& of) {
    std::vector<std::uint64_t> found;
    const auto loaded = *of.LoadSearches();
    for (const LoadedSearch& one : loaded) found.push_back(one.search.id);
    return found;
  };
  EXPECT_THAT(ids(*store), ::testing::ElementsAre(1, 2));
  EXPECT_THAT(ids(*copy), ::testing::ElementsAre(1, 3));
  EXPECT_EQ(copy->ReadCandidates(1, 0, kAll)->candidates.size(), 3u);
}

// Each has its own lineage: a lease of one belongs to no other, even if both were restored from the
// same backup.
TEST_P(StoreContractTest, EveryRestoredCopyHasALineageOfItsOwn) {
  Store* store = Open();
  ASSERT_TRUE(store->CopyTo(disk_->CopyName("copy")).ok());
  const std::uint64_t original = *store->Lineage();
  std::set<std::uint64_t> lineages = {0, original};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(lineages.insert(*disk_->OpenCopy("copy")->Lineage()).second) << i;
  EXPECT_EQ(*Open()->Lineage(), original);
}

// A watcher of the original has seen changes with numbers that the copy uses again, so it must find
// a gap.
TEST_P(StoreContractTest, TheFeedOfARestoredCopyGoesOnAfterAGap) {
  Store* store = Open();
  Commit(*store, FullBatch(1));
  Batch without_changes;
  without_changes.PutSearch(Search(2));
  Commit(*store, std::move(without_changes));
  ASSERT_TRUE(store->CopyTo(disk_->CopyName("copy")).ok());
  constexpr std::uint64_t kJump = std::uint64_t{1} << 32;
  std::uint64_t last = 0;
  for (int i = 0; i < 2; ++i) {
    const auto copy = disk_->OpenCopy("copy");
    // Nobody can read across the jump without noticing it.
    EXPECT_THAT(*copy->ReadChanges(1, 0, kAll), ::testing::ElementsAre(Change(1), Change(2), Change(3)));
    const auto changes = *copy->ReadChanges(1, 3, kAll);
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_GE(changes[0].sequence, 3 + kJump);
    EXPECT_EQ(changes[0], (StoredChange{changes[0].sequence, Change(3).time, std::nullopt}));
    // This also holds for a reader that has seen more of the original.
    EXPECT_EQ(*copy->ReadChanges(1, 1000, kAll), changes);
    const auto loaded = *copy->LoadSearches();
    EXPECT_EQ(loaded[0].sequence, changes[0].sequence);
    EXPECT_GE(loaded[1].sequence, kJump);
    EXPECT_EQ(copy->ReadChanges(2, 0, kAll)->at(0).time, Search(2).created);
    // Two copies of one backup do not have the same numbers either.
    EXPECT_NE(changes[0].sequence, last);
    last = changes[0].sequence;
  }
  // The original is unchanged.
  EXPECT_EQ(Open()->ReadChanges(1, 0, kAll)->size(), 3u);
}

}  // namespace
}  // namespace layernas::storage
