#include "controller/storage/backups.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/controller/support/temp_dir.h"

namespace layernas::storage {
namespace {

using ::testing::HasSubstr;

// 2026-02-03 04:05:06.789 UTC.
constexpr UnixMillis kNow = 1'770'091'506'789;

class BackupsTest : public ::testing::Test {
 protected:
  BackupsTest() {
    auto store = Store::Open(temp_.Path("data"));
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    Open();
  }
  void Open() {
    auto backups = Backups::Open(*store_, temp_.Path("data"), folder_);
    ASSERT_TRUE(backups.ok()) << backups.status();
    backups_ = *std::move(backups);
  }
  void PutNextSearchId(std::uint64_t id) {
    Batch batch;
    batch.PutNextSearchId(id);
    ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  }
  std::vector<std::string> InFolder() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) names.push_back(entry.path().filename());
    return names;
  }

  TempDir temp_;
  const std::string folder_ = temp_.Path("backups");
  std::unique_ptr<Store> store_;
  std::unique_ptr<Backups> backups_;
};

TEST_F(BackupsTest, HoldsWhatWasCommittedBeforeItAndNothingLater) {
  PutNextSearchId(7);
  const auto made = backups_->Make("", kNow);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->id, "20260203T040506.789Z");
  EXPECT_EQ(made->path, folder_ + "/20260203T040506.789Z");
  EXPECT_EQ(made->created, kNow);
  EXPECT_GT(made->bytes, 0u);
  PutNextSearchId(8);
  const auto copy = Store::Open(made->path);
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_EQ(*(*copy)->NextSearchId(), 7u);
  EXPECT_EQ(*store_->NextSearchId(), 8u);
}

TEST_F(BackupsTest, AStoreThatIsStartedOnOneHasALineageOfItsOwnThatStays) {
  const std::uint64_t original = *store_->Lineage();
  const std::string one = backups_->Make("one", kNow)->path;
  const std::string two = backups_->Make("two", kNow)->path;
  EXPECT_EQ(*store_->Lineage(), original);
  // Reading a backup does not count as a start.
  EXPECT_TRUE((*Store::OpenReadOnly(one))->VerifyFiles().ok());
  const std::uint64_t lineage = *(*Store::Open(one))->Lineage();
  EXPECT_NE(lineage, original);
  EXPECT_NE(lineage, *(*Store::Open(two))->Lineage());
  // Tasks that are leased after the restore can be reported after a restart.
  EXPECT_EQ(lineage, *(*Store::Open(one))->Lineage());
}

TEST_F(BackupsTest, IsWholeWhileOthersWrite) {
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> committed = 0;
  std::thread writer([&] {
    for (std::uint64_t sequence = 1; !stop; ++sequence) {
      // Either both are there or neither.
      Batch batch;
      batch.PutNextSearchId(sequence);
      batch.PutChange(1, {sequence, 1, std::nullopt});
      ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
      committed = sequence;
    }
  });
  for (int i = 0; i < 10; ++i) {
    const std::uint64_t before = committed;
    const auto made = backups_->Make("b" + std::to_string(i), kNow);
    ASSERT_TRUE(made.ok()) << made.status();
    const auto copy = Store::OpenReadOnly(made->path);
    ASSERT_TRUE(copy.ok()) << copy.status();
    const std::size_t changes = (*copy)->ReadChanges(1, 0, 1'000'000)->size();
    EXPECT_GE(changes, before);
    EXPECT_EQ(*(*copy)->NextSearchId(), std::max<std::size_t>(changes, 1));
  }
  stop = true;
  writer.join();
}

TEST_F(BackupsTest, TheTimeOfTheNewestOutlivesARestart) {
  namespace fs = std::filesystem;
  EXPECT_EQ(backups_->latest(kNow + 10), 0);
  const std::string one = backups_->Make("one", kNow)->path;
  const std::string two = backups_->Make("two", kNow + 5)->path;
  EXPECT_EQ(backups_->latest(kNow + 10), kNow + 5);
  const auto at = [](UnixMillis time) {
    const timespec stamp = {time / 1000, time % 1000 * 1'000'000};
    return std::array<timespec, 2>{stamp, stamp};
  };
  ASSERT_EQ(utimensat(AT_FDCWD, one.c_str(), at(kNow).data(), 0), 0);
  ASSERT_EQ(utimensat(AT_FDCWD, two.c_str(), at(kNow + 5).data(), 0), 0);
  fs::create_directory(folder_ + "/no-backup");
  backups_.reset();
  Open();
  EXPECT_EQ(backups_->latest(kNow + 10), kNow + 5);
  fs::remove_all(two);
  Open();
  EXPECT_EQ(backups_->latest(kNow + 10), kNow);
}

TEST_F(BackupsTest, OneDatedLaterThanNowDoesNotCount) {
  const std::string ahead = backups_->Make("ahead", kNow + 1000)->path;
  EXPECT_EQ(backups_->latest(kNow + 1000), kNow + 1000);
  // The clock was corrected.
  EXPECT_EQ(backups_->latest(kNow), 0);
  ASSERT_TRUE(backups_->Make("one", kNow).ok());
  EXPECT_EQ(backups_->latest(kNow), kNow);
  const auto dated = [](const std::string& path, UnixMillis time) {
    const timespec stamp = {time / 1000, time % 1000 * 1'000'000};
    const std::array<timespec, 2> both = {stamp, stamp};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), both.data(), 0), 0);
  };
  dated(ahead, kNow + 1000);
  dated(folder_ + "/one", kNow - 5);
  Open();
  EXPECT_EQ(backups_->latest(kNow), kNow - 5);
  // The clock was behind when the controller started.
  EXPECT_EQ(backups_->latest(kNow + 1000), kNow + 1000);
}

TEST_F(BackupsTest, TheDataDirectoryIsNoBackup) {
  constexpr UnixMillis kFarFuture = 1'000 * kNow;
  const std::string folder = std::filesystem::path(temp_.Path("data")).parent_path();
  EXPECT_EQ((*Backups::Open(*store_, temp_.Path("data"), folder))->latest(kFarFuture), 0);
  EXPECT_GT((*Backups::Open(*store_, temp_.Path("elsewhere"), folder))->latest(kFarFuture), 0);
}

TEST_F(BackupsTest, AnIdNamesOneBackupAndNoOtherPlace) {
  ASSERT_TRUE(backups_->Make("A.b-c_9", kNow).ok());
  EXPECT_EQ(backups_->Make("A.b-c_9", kNow).status().code(), absl::StatusCode::kAlreadyExists);
  for (const std::string& id :
       {std::string("/tmp/x"), std::string("../x"), std::string(".hidden"), std::string("a/b"), std::string("-x"),
        std::string("a b"), std::string("ä"), std::string("a\0b", 3), std::string(101, 'a')}) {
    EXPECT_EQ(backups_->Make(id, kNow).status().code(), absl::StatusCode::kInvalidArgument) << id;
  }
  EXPECT_EQ(InFolder().size(), 1u);
}

TEST_F(BackupsTest, NothingIsLeftOfOneThatFailed) {
  std::filesystem::remove_all(folder_);
  std::ofstream(folder_) << "in the way";
  const absl::Status failed = backups_->Make("one", kNow).status();
  EXPECT_EQ(failed.code(), absl::StatusCode::kInternal) << failed;
  EXPECT_THAT(std::string(failed.message()), HasSubstr(folder_));
  // The store is undamaged.
  PutNextSearchId(9);
  EXPECT_FALSE(Backups::Open(*store_, temp_.Path("data"), folder_).ok());
  std::filesystem::remove(folder_);
  Open();
  EXPECT_TRUE(backups_->Make("one", kNow).ok());
}

TEST_F(BackupsTest, WhatACrashLeftHalfDoneIsRemoved) {
  ASSERT_TRUE(backups_->Make("whole", kNow).ok());
  for (const char* name : {".partial-one", ".partial-two.tmp"}) {
    std::filesystem::create_directories(folder_ + "/" + name);
    std::ofstream(folder_ + "/" + name + "/000001.sst") << "half";
  }
  Open();
  EXPECT_THAT(InFolder(), ::testing::ElementsAre("whole"));
}

}  // namespace
}  // namespace layernas::storage
