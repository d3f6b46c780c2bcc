#include "worker/trainer/checkpoint.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>

#include <fstream>
#include <vector>

#include "tests/worker/trainer/temp_folder.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;
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
