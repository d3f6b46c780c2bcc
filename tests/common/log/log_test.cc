#include "common/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

namespace layernas {
namespace {

using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(Log, OneLinePerEventWhateverTheValueHolds) {
  ASSERT_TRUE(log::Init("layernas-test", "info"));
  ::testing::internal::CaptureStderr();
  log::Info("trained", {{"n", 3}, {"path", "a b"}, {"text", std::string("two\nlines \"quoted\"\x01")}, {"empty", ""}});
  EXPECT_THAT(
      ::testing::internal::GetCapturedStderr(),
      EndsWith("I layernas-test: trained n=3 path=\"a b\" text=\"two\\nlines \\\"quoted\\\"\\x01\" empty=\"\"\n"));
}

TEST(Log, NothingInAValueSteersATerminal) {
  ASSERT_TRUE(log::Init("layernas-test", "info"));
  ::testing::internal::CaptureStderr();
  log::Info("lost", {{"c1", "a\u009bb"}, {"bidi", "\u202egpj.exe"}, {"surrogate", "\xed\xa0\x80"}, {"name", "größe"}});
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              EndsWith(R"(lost c1="a\u009bb" bidi="\u202egpj.exe" surrogate="\xed\xa0\x80" name=größe)"
                       "\n"));
}

TEST(Log, LinesBelowTheLevelAreLeftOut) {
  ASSERT_TRUE(log::Init("layernas-test", "warning"));
  ::testing::internal::CaptureStderr();
  log::Info("unseen");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), IsEmpty());
}

TEST(Log, NobodyWhoDoesNotReadItStopsTheProgram) {
  ASSERT_TRUE(log::Init("layernas-test", "info"));
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int standard_error = dup(STDERR_FILENO);
  ASSERT_EQ(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
  close(ends[1]);
  // More than a pipe holds. The long lines are written in parts.
  for (int line = 0; line < 30; ++line) log::Info("unread", {{"text", std::string(10'000, 'x')}});
  std::string read_before;
  std::string read_after;
  const auto read_all = [from = ends[0]](std::string& text) {
    std::array<char, 4096> buffer;
    int unread = 0;
    while (ioctl(from, FIONREAD, &unread) == 0 && unread > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(read(from, buffer.data(), 4096), 0)));
    }
  };
  read_all(read_before);
  log::Info("read again");
  read_all(read_after);
  dup2(standard_error, STDERR_FILENO);
  close(standard_error);
  close(ends[0]);

  const auto whole = std::count(read_before.begin(), read_before.end(), '\n');
  EXPECT_LT(whole, 30);
  EXPECT_THAT(
      read_after,
      StartsWith("\nlines of the log that were lost because nobody read them: " + std::to_string(30 - whole) + "\n"));
  EXPECT_THAT(read_after, EndsWith("I layernas-test: read again\n"));
}

TEST(Log, AnUnknownLevelIsRefused) { EXPECT_FALSE(log::Init("layernas-test", "loud")); }

}  // namespace
}  // namespace layernas
