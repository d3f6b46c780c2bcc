#include "common/process/ready_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace layernas {
namespace {

TEST(ReadyFile, ReplacesTheOldOneAndLeavesNothingElse) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "layernas_ready_file";
  std::filesystem::create_directories(folder);
  const std::string path = folder / "ready";
  ASSERT_TRUE(WriteReadyFile(path, "a rather long first one").ok());
  ASSERT_TRUE(WriteReadyFile(path, "second").ok());
  std::ifstream file(path);
  EXPECT_EQ(std::string((std::istreambuf_iterator<char>(file)), {}), "second");
  const std::filesystem::directory_iterator entries(folder);
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
  std::filesystem::remove_all(folder);
}

TEST(ReadyFile, FollowsNoLinkThatSomebodyPlanted) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "layernas_ready_link";
  std::filesystem::create_directories(folder);
  const std::string victim = folder / "victim";
  std::ofstream(victim) << "precious";
  const std::string path = folder / "ready";
  // A link where the temporary file would be if its name could be predicted.
  std::filesystem::create_symlink(victim, path + "." + std::to_string(getpid()) + ".tmp");
  std::filesystem::create_symlink(victim, path);
  ASSERT_TRUE(WriteReadyFile(path, "ready").ok());
  std::ifstream file(victim);
  EXPECT_EQ(std::string((std::istreambuf_iterator<char>(file)), {}), "precious");
  std::ifstream ready(path);
  EXPECT_EQ(std::string((std::istreambuf_iterator<char>(ready)), {}), "ready");
  std::filesystem::remove_all(folder);
}

TEST(ReadyFile, AMissingFolderIsNamed) {
  const absl::Status status = WriteReadyFile("/no/such/folder/ready", "x");
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("/no/such/folder/ready"));
}

}  // namespace
}  // namespace layernas
