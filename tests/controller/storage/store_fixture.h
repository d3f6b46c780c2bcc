// A store in a separate folder, and records for it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/storage/store.h"
#include "tests/controller/support/temp_dir.h"

namespace layernas::storage {

inline constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

inline StoredSearch Search(std::uint64_t id) {
  return {id, "s", "spec of " + std::to_string(id), core::SearchState::kRunning, "", 5, 0, "request"};
}

inline core::Candidate Candidate(std::uint64_t number, const std::string& worker = "w") {
  core::Candidate candidate;
  candidate.number = number;
  candidate.architecture = {static_cast<core::OptionIndex>(number), 1};
  candidate.worker = worker;
  return candidate;
}

inline StoredChange Change(std::uint64_t sequence) {
  StoredChange change{sequence, static_cast<UnixMillis>(100 + sequence), std::nullopt};
  if (sequence % 2 == 0) change.candidate = Candidate(sequence);
  return change;
}

inline StoredLog Log(const std::string& tail) { return {"w", 7, tail, 3}; }

// Contains one record of each kind, with three candidates and changes.
inline Batch FullBatch(std::uint64_t id) {
  Batch batch;
  batch.PutSearch(Search(id));
  for (std::uint64_t number = 1; number <= 3; ++number) {
    batch.PutCandidate(id, Candidate(number));
    batch.PutChange(id, Change(number));
  }
  batch.PutBucket({id, 1, 2, 3}, {{1, 0.5, 2}});
  batch.PutLog({id, 2, 1}, Log("first"));
  return batch;
}

inline void ExpectFull(const Store& store, std::uint64_t id) {
  EXPECT_THAT(store.ReadCandidates(id, 0, kAll)->candidates,
              ::testing::ElementsAre(Candidate(1), Candidate(2), Candidate(3)));
  EXPECT_THAT(*store.ReadChanges(id, 0, kAll), ::testing::ElementsAre(Change(1), Change(2), Change(3)));
  const auto buckets = *store.ReadBuckets(id);
  ASSERT_EQ(buckets.size(), 1u);
  EXPECT_EQ(buckets[0].first, (TableKey{id, 1, 2, 3}));
  EXPECT_EQ(buckets[0].second, (std::vector<StoredBucketEntry>{{1, 0.5, 2}}));
  EXPECT_THAT(*store.ReadLogs(id, 2), ::testing::ElementsAre(::testing::Pair(1, Log("first"))));
}

inline std::vector<std::uint64_t> Numbers(const std::vector<StoredChange>& changes) {
  std::vector<std::uint64_t> numbers;
  for (const StoredChange& change : changes) numbers.push_back(change.sequence);
  return numbers;
}

class StoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> Open() { return Open(directory_); }
  static std::unique_ptr<Store> Open(const std::string& directory) {
    auto store = Store::Open(directory);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  static void Commit(Store& store, Batch batch) {
    const absl::Status status = store.Commit(std::move(batch));
    ASSERT_TRUE(status.ok()) << status;
  }
  // Returns a copy of the disk as it would be if the process died now.
  std::string Crashed() {
    const std::string copy = temp_.Path("crashed");
    std::filesystem::copy(directory_, copy, std::filesystem::copy_options::recursive);
    return copy;
  }
  // Returns the path of the write-ahead log that is not empty.
  static std::string WalOf(const std::string& directory) {
    std::string found;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
      if (file.path().extension() == ".log" && file.file_size() > 0) {
        EXPECT_EQ(found, "") << "more than one log";
        found = file.path().string();
      }
    }
    EXPECT_NE(found, "");
    return found;
  }

  TempDir temp_;
  const std::string directory_ = temp_.Path("data");
};

}  // namespace layernas::storage
