#include "client/local/log_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace layernas::client {
namespace {

namespace fs = std::filesystem;

class LogFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "layernas-log-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ / "worker.log";
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string Read(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  fs::path folder_;
  fs::path path_;
};

TEST_F(LogFileTest, HasABoundAndKeepsOneOlderFile) {
  {
    const auto log = LogFile::Open(path_.string(), 10);
    ASSERT_TRUE(log.ok()) << log.status();
    for (const char* line : {"1234", "5678", "90", "abcd"}) (*log)->Write(line);
    EXPECT_EQ(Read(path_.string() + ".1"), "1234\n5678\n");
    EXPECT_EQ(Read(path_), "90\nabcd\n");
    (*log)->Write("ef");
    EXPECT_EQ(Read(path_.string() + ".1"), "90\nabcd\n");
  }
  // The content of an earlier run counts.
  const auto log = LogFile::Open(path_.string(), 10);
  (*log)->Write("ghij");
  EXPECT_EQ(Read(path_), "ef\nghij\n");
  (*log)->Write("k");
  (*log)->Write("l");
  EXPECT_EQ(Read(path_.string() + ".1"), "ef\nghij\nk\n");
  // A line that exceeds the limit gets its own file.
  (*log)->Write("a line of many bytes");
  EXPECT_EQ(Read(path_), "a line of many bytes\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2);
}

TEST_F(LogFileTest, IsBoundedWhereNothingCanBeRenamed) {
  fs::create_directory(path_.string() + ".1");
  const auto log = LogFile::Open(path_.string(), 10);
  for (const char* line : {"1234", "5678", "90"}) (*log)->Write(line);
  EXPECT_EQ(Read(path_), "90\n");
}

TEST_F(LogFileTest, IsClosedToOthers) {
  const mode_t before = ::umask(0);
  const auto log = LogFile::Open(path_.string(), 3);
  (*log)->Write("ab");
  (*log)->Write("cd");
  ::umask(before);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    EXPECT_EQ(fs::status(entry).permissions(), fs::perms::owner_read | fs::perms::owner_write) << entry.path();
  }
}

TEST_F(LogFileTest, SaysWhyItCannotBeOpened) {
  EXPECT_EQ(LogFile::Open((folder_ / "no" / "x.log").string()).status().message(),
            "cannot open " + (folder_ / "no" / "x.log").string() + ": No such file or directory");
}

}  // namespace
}  // namespace layernas::client
