#include "worker/trainer/checkpoint.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "tests/worker/trainer/temp_folder.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Checkpoints : public TempFolder {
 protected:
  void SetUp() override {
    TempFolder::SetUp();
    options_ = {folder_ / "checkpoints", 1 << 20};
  }
  Checkpoint Make(const std::string& key) {
    return {options_, key, [this](const std::string& line) { log_.push_back(line); }};
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(options_.folder)) files.push_back(entry.path());
    return files;
  }

  CacheOptions options_;
  std::vector<std::string> log_;
};

TEST_F(Checkpoints, LastStateIsReadUntilItIsRemoved) {
  const Checkpoint checkpoint = Make("key");
  EXPECT_EQ(checkpoint.Read(), std::nullopt);
  const std::string state("a\nb\0c", 5);
  EXPECT_TRUE(checkpoint.Write("first"));
  EXPECT_TRUE(checkpoint.Write(state));
  EXPECT_EQ(Make("key").Read(), state);
  EXPECT_EQ(Make("other").Read(), std::nullopt);
  EXPECT_EQ(Files().size(), 1U);
  checkpoint.Remove();
  EXPECT_EQ(Make("key").Read(), std::nullopt);
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(Checkpoints, DamagedOneIsNoneAndSaidSo) {
  const Checkpoint checkpoint = Make("key");
  checkpoint.Write(std::string(1000, 's'));
  const fs::path file = Files().at(0);
  const std::string good = ReadAll(file);
  for (std::size_t at = 0; at < good.size(); at += 7) {
    std::string bytes = good;
    bytes[at] ^= 1;
    std::ofstream(file, std::ios::binary) << bytes;
    EXPECT_EQ(checkpoint.Read(), std::nullopt) << at;
    std::ofstream(file, std::ios::binary) << good.substr(0, at);
    EXPECT_EQ(checkpoint.Read(), std::nullopt) << at;
  }
  EXPECT_THAT(log_.back(), HasSubstr(file.string() + " is damaged"));
  // The name of another key's file.
  std::ofstream(file, std::ios::binary) << good;
  fs::rename(file, options_.folder / CacheFileName("yek"));
  EXPECT_EQ(Make("yek").Read(), std::nullopt);
}

TEST_F(Checkpoints, FolderIsBounded) {
  options_.limit_bytes = 2500;
  for (int i = 0; i < 5; ++i) {
    Make(std::to_string(i)).Write(std::string(1000, 's'));
    fs::last_write_time(options_.folder / CacheFileName(std::to_string(i)),
                        fs::file_time_type::clock::now() - std::chrono::hours(9 - i));
  }
  EXPECT_EQ(Files().size(), 2U);
  EXPECT_TRUE(Make("3").Read());
  EXPECT_TRUE(Make("4").Read());
}

TEST_F(Checkpoints, RemovedOnesAreSaid) {
  options_.limit_bytes = 2500;
  Make("0").Write(std::string(1000, 's'));
  Make("1").Write(std::string(1000, 's'));
  EXPECT_THAT(log_, IsEmpty());
  Make("2").Write(std::string(2000, 's'));
  EXPECT_THAT(log_, ElementsAre(AllOf(HasSubstr("removed the saved states of 2 trainings"),
                                      HasSubstr("--checkpoint-limit (2500 bytes)"))));
}

TEST_F(Checkpoints, WhatIsLargerThanTheLimitIsNotKept) {
  options_.limit_bytes = 2500;
  Make("0").Write(std::string(1000, 's'));
  const Checkpoint large = Make("1");
  EXPECT_FALSE(large.Write(std::string(2500, 's')));
  EXPECT_FALSE(large.Write(std::string(2500, 's')));
  // It is said once, because a training tries again every ten seconds.
  EXPECT_THAT(log_, ElementsAre(AllOf(HasSubstr("cannot keep a checkpoint: it takes 25"),
                                      HasSubstr("--checkpoint-limit is 2500 bytes"))));
  EXPECT_TRUE(Make("0").Read());
  EXPECT_EQ(Files().size(), 1U);
}

// Each state may be as large as the limit, although the old one stays until the new one is complete.
TEST_F(Checkpoints, AStateOfAlmostTheLimitIsReplaced) {
  options_.limit_bytes = 2500;
  const Checkpoint checkpoint = Make("0");
  EXPECT_TRUE(checkpoint.Write(std::string(2000, 'a')));
  EXPECT_TRUE(checkpoint.Write(std::string(2000, 'b')));
  EXPECT_EQ(checkpoint.Read(), std::string(2000, 'b'));
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(Checkpoints, WhatAnotherTrainerIsWritingStays) {
  options_.limit_bytes = 2500;
  Make("0").Write(std::string(1000, 's'));
  const fs::path unfinished = options_.folder / (CacheFileName("0") + ".new-Abc123.tmp");
  std::ofstream(unfinished) << std::string(1000, 's');
  const int fd = open(unfinished.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
  for (const fs::path& file : Files()) {
    fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(25));
  }
  // The state that is replaced and the new one count once.
  EXPECT_TRUE(Make("1").Write(std::string(1000, 's')));
  EXPECT_TRUE(fs::exists(unfinished));
  EXPECT_TRUE(Make("0").Read());
  EXPECT_FALSE(Make("2").Write(std::string(2000, 's')));
  EXPECT_THAT(log_, ElementsAre(HasSubstr("files in use")));
  EXPECT_TRUE(Make("1").Read());
  close(fd);
  EXPECT_TRUE(Make("1").Write(std::string(1000, 's')));
  EXPECT_FALSE(fs::exists(unfinished));
}

// For example --cache-dir . in a project.
TEST_F(Checkpoints, FilesOfTheUserStay) {
  options_.limit_bytes = 1500;
  for (const char* name : {"best.pt", "epoch-1.tmp", "0123456789abcdef.pt", "0123456789abcdef.new-1234567.tmp"}) {
    Write(std::string("checkpoints/") + name, std::string(2000, 'x'));
    fs::last_write_time(options_.folder / name, fs::file_time_type::clock::now() - std::chrono::hours(50));
  }
  EXPECT_TRUE(Make("0").Write(std::string(1000, 's')));
  EXPECT_TRUE(Make("1").Write(std::string(1000, 's')));
  EXPECT_EQ(Files().size(), 5U);
  EXPECT_EQ(Make("0").Read(), std::nullopt);
}

TEST_F(Checkpoints, OnlyTheUserCanReadThem) {
  Make("key").Write("state");
  struct stat info {};
  ASSERT_EQ(stat(Files().at(0).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

// Another user may have put the link there.
TEST_F(Checkpoints, OnesBehindALinkAreNeitherReadNorRemoved) {
  Make("key").Write("state");
  fs::rename(options_.folder, folder_ / "elsewhere");
  fs::create_directory_symlink(folder_ / "elsewhere", options_.folder);
  EXPECT_EQ(Make("key").Read(), std::nullopt);
  EXPECT_FALSE(Make("key").Write("state"));
  Make("key").Remove();
  EXPECT_FALSE(fs::is_empty(folder_ / "elsewhere"));
  EXPECT_THAT(log_, ElementsAre(HasSubstr("is a symbolic link"), HasSubstr("is a symbolic link")));
}

TEST_F(Checkpoints, WithoutRoomTheOldOneStays) {
  const Checkpoint checkpoint = Make("key");
  checkpoint.Write("old");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 1000;
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_FALSE(checkpoint.Write(std::string(100'000, 's')));
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_EQ(checkpoint.Read(), "old");
  EXPECT_EQ(Files().size(), 1U);
  EXPECT_THAT(log_, ElementsAre(HasSubstr("cannot keep a checkpoint")));
  options_.folder.clear();
  EXPECT_FALSE(Make("key").Write("s"));
  EXPECT_EQ(Make("key").Read(), std::nullopt);
}

}  // namespace
}  // namespace layernas::trainer
