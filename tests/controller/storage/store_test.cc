#include <fcntl.h>
#include <rocksdb/db.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "common/base/random.h"
#include "tests/controller/storage/store_fixture.h"

namespace layernas::storage {
namespace {

using ::testing::HasSubstr;

TEST_F(StoreTest, AnEmptyStoreHasNothing) {
  const auto store = Open();
  EXPECT_EQ(*store->NextSearchId(), 1u);
  EXPECT_TRUE(store->LoadSearches()->empty());
  EXPECT_TRUE(store->ReadCandidates(1, 0, kAll)->candidates.empty());
  EXPECT_TRUE(store->ReadChanges(1, 0, kAll)->empty());
  EXPECT_TRUE(store->ReadBuckets(1)->empty());
  EXPECT_TRUE(Batch(*store).empty());
  EXPECT_TRUE(store->Commit(Batch(*store)).ok());
}

TEST_F(StoreTest, EverythingComesBackAfterReopening) {
  {
    const auto store = Open();
    Batch batch = FullBatch(*store, 1);
    EXPECT_FALSE(batch.empty());
    batch.PutNextSearchId(257);
    Commit(*store, std::move(batch));
    Commit(*store, FullBatch(*store, 256));
    Batch overwrite(*store);
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

TEST_F(StoreTest, LogsAreOfOneCandidateAndGoByRange) {
  const auto store = Open();
  Batch batch(*store);
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

  Batch attempts_go(*store);
  attempts_go.DeleteLogs({1, 2, 0}, {1, 2, 2});
  Commit(*store, std::move(attempts_go));
  EXPECT_THAT(attempts(1, 2), ::testing::ElementsAre(2, 300));
  Batch candidates_go(*store);
  candidates_go.DeleteLogs({1, 0, 0}, {1, 3, 0});
  Commit(*store, std::move(candidates_go));
  EXPECT_THAT(attempts(1, 1), ::testing::IsEmpty());
  EXPECT_THAT(attempts(1, 2), ::testing::IsEmpty());
  EXPECT_THAT(attempts(1, 3), ::testing::ElementsAre(1));
  Batch search_goes(*store);
  search_goes.DeleteSearch(1);
  Commit(*store, std::move(search_goes));
  EXPECT_THAT(attempts(1, 3), ::testing::IsEmpty());
  EXPECT_THAT(attempts(2, 2), ::testing::ElementsAre(1));
}

TEST_F(StoreTest, ReadsByStateLookAtSoManyAtMost) {
  const auto store = Open();
  Batch batch(*store);
  batch.PutSearch(Search(1));
  for (std::uint64_t number = 1; number <= 20; ++number) {
    core::Candidate candidate = Candidate(number);
    candidate.state = number % 5 == 0 ? core::CandidateState::kFailed : core::CandidateState::kSucceeded;
    batch.PutCandidate(1, candidate);
  }
  Commit(*store, std::move(batch));
  const auto numbers = [&](std::uint64_t after, std::size_t limit, std::size_t most_scanned) {
    const CandidateRows rows = *store->ReadCandidates(1, after, limit, {core::CandidateState::kFailed}, most_scanned);
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

TEST_F(StoreTest, ReadsAreBoundedInMemory) {
  const auto store = Open();
  Batch batch(*store);
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

TEST_F(StoreTest, BatchesCommittedTogetherAreSyncedOnce) {
  {
    const auto store = Open();
    const std::uint64_t before = store->syncs();
    std::vector<Batch> batches;
    batches.push_back(FullBatch(*store, 1));
    batches.push_back(FullBatch(*store, 2));
    Batch overwrite(*store);
    overwrite.PutChangedCandidate(1, Candidate(2, "another"), 4, 1234);
    batches.push_back(std::move(overwrite));
    ASSERT_TRUE(store->Commit(std::move(batches)).ok());
    EXPECT_EQ(store->syncs(), before + 1);
    Commit(*store, FullBatch(*store, 3));
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

TEST_F(StoreTest, ABatchThatWasNotCommittedLeavesNothing) {
  const auto store = Open();
  { const Batch batch = FullBatch(*store, 1); }
  EXPECT_TRUE(store->LoadSearches()->empty());
}

TEST_F(StoreTest, ReadsHonourTheirStartAndTheirLimit) {
  const auto store = Open();
  Commit(*store, FullBatch(*store, 1));
  // A neighbour's records must never show up.
  Commit(*store, FullBatch(*store, 2));
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

TEST_F(StoreTest, TrimmedChangesAreGoneAndTheOthersStay) {
  const auto store = Open();
  for (const std::uint64_t id : {1, 2}) {
    Batch batch(*store);
    batch.PutSearch(Search(id));
    for (std::uint64_t sequence = 1; sequence <= 600; ++sequence) batch.PutChange(id, Change(sequence));
    Commit(*store, std::move(batch));
  }
  Batch trim(*store);
  trim.TrimChanges(1, 500);
  Commit(*store, std::move(trim));
  EXPECT_EQ(store->ReadChanges(1, 0, 1)->front().sequence, 500u);
  EXPECT_EQ(store->ReadChanges(1, 0, kAll)->size(), 101u);
  EXPECT_EQ(store->ReadChanges(2, 0, kAll)->size(), 600u);
  EXPECT_EQ(store->LoadSearches()->front().sequence, 600u);
}

TEST_F(StoreTest, DeletingASearchLeavesItsNeighbours) {
  for (const std::uint64_t victim : {1, 2, 255, 256}) {
    std::filesystem::remove_all(directory_);
    const auto store = Open();
    for (const std::uint64_t id : {1, 2, 255, 256}) Commit(*store, FullBatch(*store, id));
    Batch batch(*store);
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

TEST_F(StoreTest, AMissingCandidateIsDataLoss) {
  const auto store = Open();
  Batch batch(*store);
  batch.PutSearch(Search(1));
  batch.PutCandidate(1, Candidate(1));
  batch.PutCandidate(1, Candidate(3));
  Commit(*store, std::move(batch));
  const auto loaded = store->LoadSearches();
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("candidate 2 of search 1"));
}

TEST_F(StoreTest, ASecondOpenInThisProcessIsRefused) {
  const auto store = Open();
  const auto second = Store::Open(directory_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(directory_));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("in use by another controller"));
}

TEST_F(StoreTest, ADirectoryHeldByAnotherProcessIsRefused) {
  Open().reset();
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const std::string lock_file = directory_ + "/LOCK";
  const pid_t child = fork();
  if (child == 0) {
    // What RocksDB does, with nothing but system calls.
    const int file = open(lock_file.c_str(), O_RDWR);
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    const char locked = fcntl(file, F_SETLK, &lock) == 0 ? 'y' : 'n';
    if (write(ready[1], &locked, 1) != 1) _exit(1);
    while (true) pause();
  }
  char locked = 0;
  ASSERT_EQ(read(ready[0], &locked, 1), 1);
  EXPECT_EQ(locked, 'y');
  const auto refused = Store::Open(directory_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(directory_ + " is in use by another controller"));
  const absl::Status look = Store::OpenReadOnly(directory_).status();
  EXPECT_EQ(look.code(), absl::StatusCode::kFailedPrecondition) << look;
  EXPECT_THAT(std::string(look.message()), HasSubstr("a controller runs on the data directory " + directory_));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  EXPECT_NE(Open(), nullptr);
}

TEST_F(StoreTest, ADirectoryThatCantBeMadeIsNotCalledInUse) {
  std::ofstream(temp_.Path("lock")) << "a file";
  const auto store = Store::Open(temp_.Path("lock/data"));
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable) << store.status();
  EXPECT_THAT(std::string(store.status().message()), ::testing::Not(HasSubstr("in use")));
}

TEST_F(StoreTest, ANewerSchemaIsRefused) {
  {
    const auto store = Open();
    Commit(*store, FullBatch(*store, 1));
  }
  {
    // As a newer version might leave it, which has a column family more.
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), directory_, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    families.emplace_back("novelties", rocksdb::ColumnFamilyOptions());
    rocksdb::DBOptions options;
    options.create_missing_column_families = true;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, directory_, families, &handles, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle->GetName() == "meta") {
        std::string version;
        EXPECT_TRUE(db->Get(rocksdb::ReadOptions(), handle, "schema_version", &version).ok());
        EXPECT_EQ(version, std::to_string(kSchemaVersion));
        EXPECT_TRUE(
            db->Put(rocksdb::WriteOptions(), handle, "schema_version", std::to_string(kSchemaVersion + 1)).ok());
      }
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  }
  for (const auto& refused : {Store::Open(directory_).status(), Store::OpenReadOnly(directory_).status()}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr(directory_));
    EXPECT_THAT(std::string(refused.message()),
                HasSubstr("newer version of layernas (schema " + std::to_string(kSchemaVersion + 1)));
  }
}

TEST_F(StoreTest, AReaderSeesWhatAnOpenStoreCommitted) {
  EXPECT_EQ(Store::OpenReadOnly(directory_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(directory_));
  const auto store = Open();
  Commit(*store, FullBatch(*store, 1));
  const auto reader = Store::OpenReadOnly(directory_);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->LoadSearches()->size(), 1u);
  ExpectFull(**reader, 1);
  Batch batch(**reader);
  batch.PutNextSearchId(2);
  EXPECT_FALSE((*reader)->Commit(std::move(batch)).ok());
  // The reader was in nobody's way.
  Commit(*store, FullBatch(*store, 2));
  ExpectFull(*store, 2);
}

// Of all files in the folder.
std::uintmax_t BytesIn(const std::string& directory) {
  std::uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    std::error_code gone;
    const std::uintmax_t size = file.file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

TEST_F(StoreTest, WhatADeletedSearchTookIsFree) {
  const auto store = Open();
  // Text that does not compress.
  RandomStream random({1});
  const auto text = [&random] {
    std::string made;
    while (made.size() < 400) made += std::to_string(random.Next());
    return made;
  };
  for (std::uint64_t number = 1; number <= 20'000; number += 1'000) {
    Batch batch(*store);
    for (std::uint64_t i = number; i < number + 1'000; ++i) {
      core::Candidate candidate;
      candidate.number = i;
      candidate.worker = text();
      batch.PutChangedCandidate(2, candidate, i, 0);
    }
    Commit(*store, std::move(batch));
  }
  for (const std::uint64_t id : {1, 2, 3}) Commit(*store, FullBatch(*store, id));
  const std::uintmax_t before = BytesIn(directory_);
  EXPECT_GT(before, 10u << 20);

  Batch deletion(*store);
  deletion.DeleteSearch(2);
  Commit(*store, std::move(deletion));
  ASSERT_TRUE(store->Reclaim(2).ok());
  // Files that are done with are removed soon, but not before the call returns.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (BytesIn(directory_) > before / 20 && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_LT(BytesIn(directory_), before / 20);
  EXPECT_EQ(store->LoadSearches()->size(), 2u);
  for (const std::uint64_t id : {1, 3}) ExpectFull(*store, id);
}

TEST_F(StoreTest, ReclaimingCanBeStopped) {
  const auto store = Open();
  Commit(*store, FullBatch(*store, 1));
  store->StopReclaiming();
  EXPECT_TRUE(store->Reclaim(2).ok());
  ExpectFull(*store, 1);
}

TEST_F(StoreTest, ReadersAndTheWriterGoTogether) {
  const auto store = Open();
  Commit(*store, FullBatch(*store, 1));
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
    Batch batch(*store);
    batch.PutChange(1, Change(sequence));
    batch.PutChange(1, Change(sequence + 1));
    Commit(*store, std::move(batch));
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(store->ReadChanges(1, 3, kAll)->size(), 200u);
}

}  // namespace
}  // namespace layernas::storage
