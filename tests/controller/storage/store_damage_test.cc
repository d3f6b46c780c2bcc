// Tests what a crash or a bad disk leaves behind: data is either complete or refused.
#include <fstream>

#include "tests/controller/storage/store_fixture.h"

namespace layernas::storage {
namespace {

using ::testing::HasSubstr;

TEST_F(StoreTest, DamageIsNotTakenForAnEmptyDirectory) {
  {
    const auto store = Open();
    Commit(*store, FullBatch(1));
  }
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    if (file.path().filename().string().starts_with("MANIFEST")) std::filesystem::resize_file(file.path(), 20);
  }
  EXPECT_EQ(Store::Open(directory_).status().code(), absl::StatusCode::kDataLoss) << Store::Open(directory_).status();
  EXPECT_EQ(Store::OpenReadOnly(directory_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StoreTest, ARecordThatCannotBeReadIsNamed) {
  const auto store = Open();
  StoredSearch damaged = Search(7);
  // Text must be UTF-8.
  damaged.slug = "\xff";
  Batch batch;
  batch.PutSearch(Search(2));
  batch.PutSearch(damaged);
  Commit(*store, std::move(batch));
  const absl::Status status = store->LoadSearches().status();
  EXPECT_EQ(status.message(), "search number 7: a stored search cannot be parsed");
  const absl::Status named = NameDataDirectory(status, "/srv/data");
  EXPECT_EQ(
      named.message(),
      "the data directory /srv/data is damaged (search number 7: a stored search cannot be parsed); restore it from "
      "a backup or choose another --data-dir");
  EXPECT_EQ(NameDataDirectory(named, "/srv/data"), named);
  EXPECT_EQ(NameDataDirectory(absl::InternalError("x"), "/srv/data"), absl::InternalError("x"));
}

TEST_F(StoreTest, ACandidateThatCannotBeReadIsNamed) {
  const auto store = Open();
  core::Candidate damaged = Candidate(2, "\xff");
  Batch batch;
  batch.PutSearch(Search(7));
  batch.PutCandidate(7, Candidate(1));
  batch.PutCandidate(7, damaged);
  Commit(*store, std::move(batch));
  EXPECT_EQ(store->LoadSearches().status().message(),
            "candidate 2 of search number 7: a stored candidate cannot be parsed");
}

TEST_F(StoreTest, WhatWasCommittedSurvivesACrash) {
  const auto store = Open();
  for (std::uint64_t id = 1; id <= 20; ++id) Commit(*store, FullBatch(id));
  const auto recovered = Open(Crashed());
  EXPECT_EQ(recovered->LoadSearches()->size(), 20u);
  for (std::uint64_t id = 1; id <= 20; ++id) ExpectFull(*recovered, id);
}

TEST_F(StoreTest, ATornTailOfTheLogIsAccepted) {
  const auto store = Open();
  for (std::uint64_t id = 1; id <= 20; ++id) Commit(*store, FullBatch(id));
  const std::string crashed = Crashed();
  const std::string wal = WalOf(crashed);
  std::filesystem::resize_file(wal, std::filesystem::file_size(wal) - 5);
  const auto recovered = Open(crashed);
  ASSERT_NE(recovered, nullptr);
  // The whole truncated batch is lost. It cannot have been acknowledged.
  EXPECT_EQ(recovered->LoadSearches()->size(), 19u);
  EXPECT_TRUE(recovered->ReadCandidates(20, 0, kAll)->candidates.empty());
  for (std::uint64_t id = 1; id <= 19; ++id) ExpectFull(*recovered, id);
}

TEST_F(StoreTest, ZerosAfterTheLogAreAccepted) {
  const auto store = Open();
  for (std::uint64_t id = 1; id <= 20; ++id) Commit(*store, FullBatch(id));
  for (const int zeros : {1, 100, 100'000}) {
    const std::string crashed = Crashed();
    std::ofstream(WalOf(crashed), std::ios::binary | std::ios::app) << std::string(zeros, '\0');
    const auto recovered = Open(crashed);
    ASSERT_NE(recovered, nullptr);
    for (std::uint64_t id = 1; id <= 20; ++id) ExpectFull(*recovered, id);
    std::filesystem::remove_all(crashed);
  }
}

TEST_F(StoreTest, ADamagedTableFileIsFoundAndNamed) {
  {
    const auto store = Open();
    Commit(*store, FullBatch(1));
  }
  // When it is opened again, its log becomes table files.
  Open().reset();
  EXPECT_TRUE((*Store::OpenReadOnly(directory_))->VerifyFiles().ok());
  std::vector<std::filesystem::path> tables;
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    if (file.path().extension() == ".sst") tables.push_back(file.path());
  }
  ASSERT_GT(tables.size(), 2u);
  for (const std::filesystem::path& table : tables) {
    const auto flip = [&table] {
      std::fstream bytes(table, std::ios::binary | std::ios::in | std::ios::out);
      const char first = static_cast<char>(bytes.peek() ^ 0xff);
      bytes.seekp(0);
      bytes << first;
    };
    flip();
    // Some files are read when the store is opened.
    const auto reader = Store::OpenReadOnly(directory_);
    const absl::Status found = reader.ok() ? (*reader)->VerifyFiles() : reader.status();
    EXPECT_EQ(found.code(), absl::StatusCode::kDataLoss) << found;
    EXPECT_THAT(std::string(found.message()), HasSubstr(directory_ + " is damaged"));
    EXPECT_THAT(std::string(found.message()), HasSubstr(table.filename().string()));
    flip();
  }
  ExpectFull(*Open(), 1);
}

TEST_F(StoreTest, ALogDamagedInTheMiddleIsRefused) {
  const auto store = Open();
  for (std::uint64_t id = 1; id <= 20; ++id) Commit(*store, FullBatch(id));
  const std::string crashed = Crashed();
  const std::string wal = WalOf(crashed);
  // Changes a letter of the sixth search's spec.
  std::string bytes;
  {
    std::ifstream in(wal, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const std::size_t place = bytes.find("spec of 6");
  ASSERT_NE(place, std::string::npos);
  bytes[place] = 'S';
  std::ofstream(wal, std::ios::binary | std::ios::trunc) << bytes;
  const auto refused = Store::Open(crashed);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(crashed));
  EXPECT_EQ(Store::OpenReadOnly(crashed).status().code(), absl::StatusCode::kDataLoss);
}

// It is unknown whether the last record was synced.
TEST_F(StoreTest, ADamagedEndOfTheLogIsDroppedWhereOneIsToldTo) {
  const auto store = Open();
  for (std::uint64_t id = 1; id <= 20; ++id) Commit(*store, FullBatch(id));
  const std::string crashed = Crashed();
  const std::string wal = WalOf(crashed);
  {
    std::fstream file(wal, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(-40, std::ios::end);
    file << "rubbish";
  }
  const absl::Status refused = Store::Open(crashed).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--drop-damaged-log"));
  std::uint64_t lineage = 0;
  {
    const auto recovered = Store::OpenWithoutDamagedLog(crashed);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    EXPECT_EQ((*recovered)->LoadSearches()->size(), 19u);
    for (std::uint64_t id = 1; id <= 19; ++id) {
      // Watchers may have seen the dropped changes, so the feed continues after a gap.
      EXPECT_THAT(Numbers(*(*recovered)->ReadChanges(id, 0, kAll)), ::testing::ElementsAre(1, 2, 3));
      EXPECT_THAT(Numbers(*(*recovered)->ReadChanges(id, 3, kAll)),
                  ::testing::ElementsAre(::testing::Gt(std::uint64_t{1} << 32)));
      EXPECT_EQ((*recovered)->ReadCandidates(id, 0, kAll)->candidates.size(), 3u);
    }
    lineage = *(*recovered)->Lineage();
    EXPECT_NE(lineage, *store->Lineage());
    Commit(**recovered, FullBatch(20));
  }
  const auto again = Open(crashed);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->LoadSearches()->size(), 20u);
  EXPECT_EQ(*again->Lineage(), lineage);
}

}  // namespace
}  // namespace layernas::storage
