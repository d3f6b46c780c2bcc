#include "common/process/replace_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace layernas {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ReplaceFileTest : public ::testing::Test {
 protected:
  ReplaceFileTest() : folder_(fs::path(::testing::TempDir()) / "layernas_replace_file") {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~ReplaceFileTest() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::ptrdiff_t Files() const { return std::distance(fs::directory_iterator(folder_), fs::directory_iterator()); }

  const fs::path folder_;
};

TEST_F(ReplaceFileTest, WhatIsReplacedStaysClosedToOthers) {
  std::ofstream(Path("own")) << "old";
  fs::permissions(Path("own"), fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_TRUE(WriteOutputFile(Path("own"), "new").ok());
  EXPECT_EQ(Read(Path("own")), "new");
  EXPECT_EQ(fs::status(Path("own")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(ReplaceFileTest, AnOutputFollowsItsLink) {
  std::ofstream(Path("real")) << "old";
  fs::create_symlink("real", Path("link"));
  ASSERT_TRUE(WriteOutputFile(Path("link"), "new").ok());
  EXPECT_EQ(Read(Path("real")), "new");
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_EQ(Files(), 2);
}

TEST_F(ReplaceFileTest, ADeviceIsWrittenIntoAndItsErrorSaid) {
  EXPECT_TRUE(WriteOutputFile("/dev/null", "text").ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_EQ(WriteOutputFile("/dev/full", "text").message(), "cannot write /dev/full: No space left on device");
}

TEST_F(ReplaceFileTest, WhereItFailsTheOldFileStays) {
  fs::create_directory(Path("folder"));
  EXPECT_EQ(ReplaceFile(Path("folder"), "text").message(), "cannot write " + Path("folder") + ": Is a directory");
  EXPECT_EQ(Files(), 1);
  EXPECT_EQ(WriteOutputFile(Path("folder"), "text").message(), "cannot write " + Path("folder") + ": Is a directory");
  EXPECT_THAT(std::string(WriteOutputFile(Path("none/file"), "text").message()),
              HasSubstr("No such file or directory"));
}

TEST_F(ReplaceFileTest, AFolderThatIsNotWritableIsNamed) {
  std::ofstream(Path("file")) << "old";
  fs::permissions(Path("file"), fs::perms::all);
  fs::permissions(folder_, fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_exec);
  // Root may write everywhere.
  const bool is_root = ::geteuid() == 0;
  if (is_root) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const absl::Status replaced = WriteOutputFile(Path("file"), "new");
  const absl::Status created = WriteNewFile(Path("other"), "new");
  if (is_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  fs::permissions(folder_, fs::perms::owner_all);
  const std::string why = ": no file can be created in the folder " + folder_.string() + ": Permission denied";
  EXPECT_EQ(replaced.message(), "cannot write " + Path("file") + why);
  EXPECT_EQ(created.message(), "cannot write " + Path("other") + why);
  EXPECT_EQ(Read(Path("file")), "old");
}

TEST_F(ReplaceFileTest, ANewFileReplacesNothing) {
  ASSERT_TRUE(WriteNewFile(Path("file"), "first").ok());
  EXPECT_EQ(WriteNewFile(Path("file"), "second").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Read(Path("file")), "first");
}

}  // namespace
}  // namespace layernas
