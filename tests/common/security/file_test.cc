#include "common/security/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

namespace layernas::security {
namespace {

using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& text, mode_t mode) {
    const std::string path = folder_ / "file";
    std::ofstream(path) << text;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / ("layernas_file_test_" + std::to_string(getpid()));
};

TEST_F(FileTest, ReadsUpToTheBound) {
  const std::string path = Write("12345", 0600);
  const auto file = ReadFile(path, 5, Privacy::kPrivate);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->text, "12345");
  EXPECT_EQ(VersionOf(path), file->version);
  EXPECT_EQ(ReadFile(path, 4, Privacy::kPrivate).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FileTest, PrivateFilesAreClosedToOthers) {
  for (const mode_t mode : {0600, 0640, 0660, 0400}) {
    EXPECT_TRUE(ReadFile(Write("x", mode), 10, Privacy::kPrivate).ok()) << mode;
    chmod((folder_ / "file").c_str(), 0600);
  }
  for (const mode_t mode : {0604, 0602, 0601, 0644, 0666}) {
    const std::string path = Write("x", mode);
    const absl::Status status = ReadFile(path, 10, Privacy::kPrivate).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << mode;
    EXPECT_THAT(std::string(status.message()), HasSubstr("chmod o= " + path));
    EXPECT_TRUE(ReadFile(path, 10, Privacy::kPublic).ok()) << mode;
  }
}

TEST_F(FileTest, WhatIsNoFile) {
  const std::string nothing = folder_ / "nothing";
  EXPECT_EQ(ReadFile(nothing, 10, Privacy::kPublic).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ReadFile(nothing, 10, Privacy::kPublic).status().message()), HasSubstr(nothing));
  EXPECT_EQ(VersionOf(nothing), std::nullopt);
  EXPECT_EQ(ReadFile(folder_, 10, Privacy::kPublic).status().code(), absl::StatusCode::kInvalidArgument);
  // Nobody writes into the pipe, and reading must not wait for a writer.
  const std::string pipe = folder_ / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(ReadFile(pipe, 10, Privacy::kPublic).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FileTest, ANewPrivateFileIsForItsUserAndOverwritesNothing) {
  const std::string path = folder_ / "new";
  ASSERT_TRUE(WriteNewPrivateFile(path, "secret").ok());
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(WriteNewPrivateFile(path, "other").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadFile(path, 100, Privacy::kPrivate)->text, "secret");
  EXPECT_EQ(WriteNewPrivateFile(folder_ / "none" / "new", "x").code(), absl::StatusCode::kNotFound);
}

TEST_F(FileTest, AReplacedFileIsAnotherVersion) {
  const std::string path = Write("one", 0600);
  const auto before = VersionOf(path);
  const std::string beside = folder_ / "beside";
  std::ofstream(beside) << "two";
  std::filesystem::rename(beside, path);
  EXPECT_NE(VersionOf(path), before);
}

TEST_F(FileTest, AnotherModeIsAnotherVersion) {
  const std::string path = Write("one", 0644);
  const auto before = VersionOf(path);
  // The times of files have the resolution of the kernel's tick.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  chmod(path.c_str(), 0600);
  EXPECT_NE(VersionOf(path), before);
}

}  // namespace
}  // namespace layernas::security
