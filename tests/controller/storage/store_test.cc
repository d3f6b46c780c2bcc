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
    // Does what RocksDB does, with system calls only.
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
    Commit(*store, FullBatch(1));
  }
  {
    // As a newer version might leave it, with an additional column family.
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
  Commit(*store, FullBatch(1));
  const auto reader = Store::OpenReadOnly(directory_);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->LoadSearches()->size(), 1u);
  ExpectFull(**reader, 1);
  Batch batch;
  batch.PutNextSearchId(2);
  EXPECT_FALSE((*reader)->Commit(std::move(batch)).ok());
  // The reader did not affect the writer.
  Commit(*store, FullBatch(2));
  ExpectFull(*store, 2);
}

// Returns the total size of all files in the folder.
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
  // Text that cannot be compressed.
  RandomStream random({1});
  const auto text = [&random] {
    std::string made;
    while (made.size() < 400) made += std::to_string(random.Next());
    return made;
  };
  for (std::uint64_t number = 1; number <= 20'000; number += 1'000) {
    Batch batch;
    for (std::uint64_t i = number; i < number + 1'000; ++i) {
      core::Candidate candidate;
      candidate.number = i;
      candidate.worker = text();
      batch.PutChangedCandidate(2, candidate, i, 0);
    }
    Commit(*store, std::move(batch));
  }
  for (const std::uint64_t id : {1, 2, 3}) Commit(*store, FullBatch(id));
  const std::uintmax_t before = BytesIn(directory_);
  EXPECT_GT(before, 10u << 20);

  Batch deletion;
  deletion.DeleteSearch(2);
  Commit(*store, std::move(deletion));
  ASSERT_TRUE(store->Reclaim(2).ok());
  // Obsolete files are removed soon, but not before the call returns.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (BytesIn(directory_) > before / 20 && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_LT(BytesIn(directory_), before / 20);
  EXPECT_EQ(store->LoadSearches()->size(), 2u);
  for (const std::uint64_t id : {1, 3}) ExpectFull(*store, id);
}

}  // namespace
}  // namespace layernas::storage
