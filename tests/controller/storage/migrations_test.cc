// Tests stores of older versions, which are written here in the format of those versions.
#include "controller/storage/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "controller/storage/store.h"
#include "layernas/storage/v1/records.pb.h"
#include "tests/controller/support/temp_dir.h"

namespace layernas::storage {
namespace {

using ::testing::HasSubstr;

class MigrationsTest : public ::testing::Test {
 protected:
  // Opens the families and rows without interpreting them.
  std::unique_ptr<Database> Raw(const std::vector<std::string>& names) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    auto database = std::make_unique<Database>();
    database->directory = directory_;
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options, directory_, families, &database->families, &db);
    EXPECT_TRUE(status.ok()) << status.ToString();
    database->db.reset(db);
    return database;
  }
  static void Put(Database& database, int family, const std::string& key, const std::string& value) {
    ASSERT_TRUE(database.db->Put(rocksdb::WriteOptions(), database.families[family], key, value).ok());
  }

  // Writes what version 1 wrote for a running search with a leased candidate and a succeeded one.
  void WriteVersion1() {
    const auto database = Raw({"default", "meta", "searches", "candidates", "buckets", "changes"});
    Put(*database, 1, "schema_version", "1");
    Put(*database, 1, "next_search_id", "2");
    const std::string id("\0\0\0\0\0\0\0\1", 8);
    v1::SearchRecord search;
    search.set_id(1);
    search.set_slug("old");
    search.set_spec("the spec");
    search.set_state(static_cast<int>(core::SearchState::kRunning));
    search.set_create_unix_ms(5);
    Put(*database, 2, id, search.SerializeAsString());
    for (char number = 1; number <= 2; ++number) {
      v1::CandidateRecord candidate;
      candidate.set_number(number);
      candidate.add_choices(number);
      candidate.set_state(
          static_cast<int>(number == 1 ? core::CandidateState::kSucceeded : core::CandidateState::kLeased));
      candidate.set_attempt(1);
      candidate.set_worker("w");
      if (number == 1) {
        candidate.set_result_attempt(1);
        candidate.set_reward(0.5);
        v1::MetricRecord& metric = *candidate.add_metrics();
        metric.set_name("accuracy");
        metric.set_value(0.5);
      }
      Put(*database, 3, id + std::string("\0\0\0\0\0\0\0", 7) + number, candidate.SerializeAsString());
      v1::ChangeRecord change;
      change.set_unix_ms(6);
      *change.mutable_candidate() = candidate;
      Put(*database, 5, id + std::string("\0\0\0\0\0\0\0", 7) + number, change.SerializeAsString());
    }
  }

  TempDir temp_;
  const std::string directory_ = temp_.Path("data");
};

TEST_F(MigrationsTest, AStoreOfVersion1IsBroughtUpToDate) {
  WriteVersion1();
  // Reading the store does not change it.
  const absl::Status look = Store::OpenReadOnly(directory_).status();
  EXPECT_EQ(look.code(), absl::StatusCode::kFailedPrecondition) << look;
  EXPECT_THAT(std::string(look.message()), HasSubstr("older version of layernas (schema 1"));
  std::uint64_t lineage = 0;
  for (int round = 0; round < 2; ++round) {
    const auto store = Store::Open(directory_);
    ASSERT_TRUE(store.ok()) << store.status();
    // It is drawn once.
    EXPECT_NE(*(*store)->Lineage(), 0u);
    if (round == 0) lineage = *(*store)->Lineage();
    EXPECT_EQ(*(*store)->Lineage(), lineage);
    EXPECT_EQ(*(*store)->NextSearchId(), 2u);
    const auto loaded = *(*store)->LoadSearches();
    ASSERT_EQ(loaded.size(), 1u);
    EXPECT_EQ(loaded[0].search.slug, "old");
    EXPECT_EQ(loaded[0].sequence, 2u);
    ASSERT_EQ(loaded[0].candidates.size(), 2u);
    EXPECT_EQ(loaded[0].candidates[0].state, core::CandidateState::kSucceeded);
    EXPECT_EQ(loaded[0].candidates[0].metrics.Find("accuracy"), 0.5);
    EXPECT_EQ(loaded[0].candidates[1].worker, "w");
    EXPECT_EQ((*store)->ReadChanges(1, 0, 10)->size(), 2u);
  }
  EXPECT_TRUE(Store::OpenReadOnly(directory_).ok());
}

TEST_F(MigrationsTest, AStoreOfVersion3CanTakeLogs) {
  WriteVersion1();
  {
    const auto database = Raw({"default", "meta", "searches", "candidates", "buckets", "changes"});
    Put(*database, 1, "schema_version", "3");
    Put(*database, 1, "lineage", "0");
  }
  const StoredLog log{"w", 7, "the log", 0};
  for (int round = 0; round < 2; ++round) {
    auto store = Store::Open(directory_);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->LoadSearches()->at(0).candidates.size(), 2u);
    EXPECT_EQ((*store)->ReadLogs(1, 1)->size(), round == 0 ? 0u : 1u);
    Batch batch;
    batch.PutLog({1, 1, 1}, log);
    ASSERT_TRUE((*store)->Commit(std::move(batch)).ok());
    EXPECT_EQ((*store)->ReadLogs(1, 1)->at(1), log);
  }
}

// The column families of version 4 and later.
const std::vector<std::string> kFamiliesOfVersion4 = {"default", "meta",    "searches", "candidates",
                                                      "buckets", "changes", "logs"};

TEST_F(MigrationsTest, AStoreOfVersion4DrawsALineageAndKeepsWhenItsTimeBegan) {
  {
    const auto database = Raw(kFamiliesOfVersion4);
    Put(*database, 1, "schema_version", "4");
    Put(*database, 1, "lineage", "0");
    // Three searches: one without leased candidates, one with some, and one without candidates.
    for (char id = 1; id <= 3; ++id) {
      const std::string key = std::string("\0\0\0\0\0\0\0", 7) + id;
      v1::SearchRecord search;
      search.set_id(id);
      search.set_slug("s");
      search.set_spec("the spec");
      search.set_state(static_cast<int>(core::SearchState::kRunning));
      search.set_create_unix_ms(100 + id);
      if (id == 2) search.set_clock_set_ms(7);
      search.mutable_sharing()->set_weight(2);
      Put(*database, 2, key, search.SerializeAsString());
      for (char number = 1; number <= 3 && id != 3; ++number) {
        v1::CandidateRecord candidate;
        candidate.set_number(number);
        candidate.set_state(static_cast<int>(core::CandidateState::kQueued));
        candidate.set_attempt(id == 2 && number == 3 ? 1 : 0);
        Put(*database, 3, key + std::string("\0\0\0\0\0\0\0", 7) + number, candidate.SerializeAsString());
      }
    }
  }
  const absl::Status look = Store::OpenReadOnly(directory_).status();
  EXPECT_EQ(look.code(), absl::StatusCode::kFailedPrecondition) << look;
  EXPECT_THAT(std::string(look.message()), HasSubstr("older version of layernas (schema 4"));
  std::uint64_t lineage = 0;
  for (int round = 0; round < 2; ++round) {
    const auto store = Store::Open(directory_);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_NE(*(*store)->Lineage(), 0u);
    if (round == 0) lineage = *(*store)->Lineage();
    EXPECT_EQ(*(*store)->Lineage(), lineage);
    const auto loaded = *(*store)->LoadSearches();
    ASSERT_EQ(loaded.size(), 3u);
    StoredSearch expected{1, "s", "the spec", core::SearchState::kRunning, "", 101, 0, ""};
    expected.sharing = core::Sharing{2, 0, 0};
    EXPECT_EQ(loaded[0].search, expected);
    expected.id = 2;
    expected.created = expected.started = 102;
    expected.start_store_time = 109;
    EXPECT_EQ(loaded[1].search, expected);
    expected = loaded[0].search;
    expected.id = 3;
    expected.created = 103;
    EXPECT_EQ(loaded[2].search, expected);
  }
  EXPECT_TRUE(Store::OpenReadOnly(directory_).ok());
}

// A backup of version 4 already had a number, which is part of the leases of the store that was
// started on it.
TEST_F(MigrationsTest, ACopyOfVersion4KeepsItsLineage) {
  {
    const auto database = Raw(kFamiliesOfVersion4);
    Put(*database, 1, "schema_version", "4");
    Put(*database, 1, "lineage", "77");
  }
  const auto store = Store::Open(directory_);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(*(*store)->Lineage(), 77u);
}

// Two sample migrations. The second one needs the result of the first one.
absl::Status AddFirst(const Database& database, rocksdb::WriteBatch& batch) {
  return ToStatus(batch.Put(database.families[kMeta], "first", "1"), database.directory);
}
absl::Status DoubleFirst(const Database& database, rocksdb::WriteBatch& batch) {
  const auto first = database.ReadMeta("first");
  if (!first.ok() || !*first) return absl::DataLossError("the first migration is missing");
  return ToStatus(batch.Put(database.families[kMeta], "first", std::to_string(2 * **first)), database.directory);
}
absl::Status Refuse(const Database& database, rocksdb::WriteBatch& batch) {
  batch.Put(database.families[kMeta], "first", "9").PermitUncheckedError();
  return absl::DataLossError("this record makes no sense");
}

TEST_F(MigrationsTest, RunInTheirOrderFromWhereTheStoreIs) {
  const auto database = Raw({"default", "meta"});
  const std::vector<Migration> both = {AddFirst, DoubleFirst};
  ASSERT_TRUE(Migrate(*database, 1, both).ok());
  EXPECT_EQ(**database->ReadMeta("first"), 2u);
  EXPECT_EQ(**database->ReadMeta(kSchemaVersionKey), 3u);
  ASSERT_TRUE(Migrate(*database, 2, both).ok());
  EXPECT_EQ(**database->ReadMeta("first"), 4u);
  ASSERT_TRUE(Migrate(*database, 3, both).ok());
  EXPECT_EQ(**database->ReadMeta("first"), 4u);
}

TEST_F(MigrationsTest, OneThatFailsLeavesTheVersionBefore) {
  const auto database = Raw({"default", "meta"});
  EXPECT_EQ(Migrate(*database, 1, std::vector<Migration>{AddFirst, Refuse}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(**database->ReadMeta("first"), 1u);
  EXPECT_EQ(**database->ReadMeta(kSchemaVersionKey), 2u);
}

}  // namespace
}  // namespace layernas::storage
