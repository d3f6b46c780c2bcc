#include "common/log/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>

namespace layernas {
namespace {

using ::testing::EndsWith;
using ::testing::IsEmpty;

std::string Captured() {
  log::Flush();
  return ::testing::internal::GetCapturedStderr();
}

TEST(Log, OneLinePerEventWhateverTheValueHolds) {
  ASSERT_TRUE(log::Init("layernas-test", "info"));
  ::testing::internal::CaptureStderr();
  log::Info("trained", {{"n", 3}, {"path", "a b"}, {"text", std::string("two\nlines \"quoted\"\x01")}, {"empty", ""}});
  EXPECT_THAT(
      Captured(),
      EndsWith("I layernas-test: trained n=3 path=\"a b\" text=\"two\\nlines \\\"quoted\\\"\\x01\" empty=\"\"\n"));
}

TEST(Log, NothingInAValueSteersATerminal) {
  ASSERT_TRUE(log::Init("layernas-test", "info"));
  ::testing::internal::CaptureStderr();
  log::Info("lost", {{"c1", "a\u009bb"}, {"bidi", "\u202egpj.exe"}, {"surrogate", "\xed\xa0\x80"}, {"name", "größe"}});
  EXPECT_THAT(Captured(), EndsWith(R"(lost c1="a\u009bb" bidi="\u202egpj.exe" surrogate="\xed\xa0\x80" name=größe)"
                                   "\n"));
}

TEST(Log, LinesBelowTheLevelAreLeftOut) {
  ASSERT_TRUE(log::Init("layernas-test", "warning"));
  ::testing::internal::CaptureStderr();
  log::Info("unseen");
  EXPECT_THAT(Captured(), IsEmpty());
}

// Replaces standard error until it is destroyed.
class Stream {
 public:
  explicit Stream(int fd) : former_(dup(STDERR_FILENO)) { dup2(fd, STDERR_FILENO); }
  ~Stream() {
    dup2(former_, STDERR_FILENO);
    close(former_);
  }

 private:
  const int former_;
};

// While nobody reads, logs more than the queue and the stream can hold, and then reads the lines.
void ExpectLossesThatAreToldOf(int reader, int writer) {
  constexpr int kLines = 10'000;
  ASSERT_TRUE(log::Init("layernas-test", "info"));
  std::string read_text;
  {
    const Stream stream(writer);
    for (int line = 0; line < kLines; ++line) log::Info("unread", {{"text", std::string(300, 'x')}});
    log::Info("the last");
    std::thread reading([&read_text, reader] {
      std::array<char, 4096> buffer;
      while (read_text.find("the last") == std::string::npos) {
        const ssize_t count = read(reader, buffer.data(), buffer.size());
        if (count <= 0) break;
        read_text.append(buffer.data(), static_cast<std::size_t>(count));
      }
    });
    reading.join();
    log::Flush();
  }
  close(writer);
  close(reader);
  int whole = 0;
  int lost = 0;
  std::istringstream lines(read_text);
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view kLost = "log lines lost because they came faster than they could be written: ";
    if (line.starts_with(kLost)) lost += std::stoi(line.substr(kLost.size()));
    if (line.find("unread text=" + std::string(300, 'x')) != std::string::npos) ++whole;
  }
  EXPECT_GT(lost, 0);
  EXPECT_EQ(whole + lost, kLines);
}

TEST(Log, APipeThatNobodyReadsStopsNobody) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ExpectLossesThatAreToldOf(ends[0], ends[1]);
}

// A stopped terminal says that there is room although a line would wait.
TEST(Log, ATerminalThatNobodyReadsStopsNobody) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_EQ(grantpt(master), 0);
  ASSERT_EQ(unlockpt(master), 0);
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
  ASSERT_GE(terminal, 0);
  ExpectLossesThatAreToldOf(master, terminal);
}

TEST(Log, FlushDoesNotWaitForEver) {
  ASSERT_TRUE(log::Init("layernas-test", "info"));
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  {
    const Stream stream(ends[1]);
    for (int line = 0; line < 30; ++line) log::Info("unread", {{"text", std::string(10'000, 'x')}});
    log::Flush();
    // As in all programs.
    std::signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    // Wait for the line that was being written.
    log::Flush();
  }
  close(ends[1]);
}

TEST(Log, AnUnknownLevelIsRefused) { EXPECT_FALSE(log::Init("layernas-test", "loud")); }

}  // namespace
}  // namespace layernas
