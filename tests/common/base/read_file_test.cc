#include "common/base/read_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <limits>
#include <thread>

namespace layernas {
namespace {

constexpr std::size_t kNoMaximum = std::numeric_limits<std::size_t>::max();

TEST(ReadFile, ReturnsAllOfAFileOrItsFirstBytes) {
  const std::string path = testing::TempDir() + "read_file_test";
  std::string text(200'000, 'x');
  text[70'000] = '\0';
  std::ofstream(path) << text;
  EXPECT_EQ(*ReadFile(path, kNoMaximum), text);
  EXPECT_EQ(*ReadFile(path, 100'000), text.substr(0, 100'000));
  EXPECT_EQ(*ReadFile(path, 0), "");
  EXPECT_EQ(*ReadFile("/dev/null", 100), "");
}

TEST(ReadFile, ReadsAPipeToItsEnd) {
  const std::string path = testing::TempDir() + "read_file_pipe";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&path] {
    std::ofstream out(path);
    out << "one" << std::flush << "two";
  });
  EXPECT_EQ(*ReadFile(path, kNoMaximum), "onetwo");
  writer.join();
}

TEST(ReadFile, SaysWhyItFails) {
  const absl::Status folder = ReadFile(testing::TempDir(), 100).status();
  EXPECT_EQ(folder, absl::UnknownError("Is a directory"));
  const absl::Status missing = ReadFile(testing::TempDir() + "no such file", 100).status();
  EXPECT_EQ(missing, absl::NotFoundError("No such file or directory"));
  // Its first page is not mapped.
  EXPECT_EQ(ReadFile("/proc/self/mem", 100).status(), absl::UnknownError("Input/output error"));
}

}  // namespace
}  // namespace layernas
