#include "worker/evaluator/log_tail.h"

#include <gtest/gtest.h>

namespace layernas {
namespace {

TEST(LogTail, KeepsTheLastLines) {
  LogTail tail(12);
  tail.Add("one");
  tail.Add("");
  tail.Add("three");
  EvaluatorLog log = tail.Take();
  EXPECT_EQ(log.tail, "one\n\nthree\n");
  EXPECT_EQ(log.omitted_bytes, 0);
  // Starts again with an empty tail.
  for (const char* line : {"one", "two", "three", "four"}) tail.Add(line);
  log = tail.Take();
  EXPECT_EQ(log.tail, "three\nfour\n");
  EXPECT_EQ(log.omitted_bytes, 8);
  EXPECT_EQ(tail.Take().tail, "");
}

TEST(LogTail, IsBoundedWhateverComes) {
  LogTail tail;
  std::int64_t written = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string line(i * 100, 'x');
    tail.Add(line);
    written += static_cast<std::int64_t>(line.size() + 1);
  }
  const EvaluatorLog log = tail.Take();
  EXPECT_LE(log.tail.size(), std::size_t{16 << 10});
  EXPECT_TRUE(log.tail.ends_with("x\n"));
  EXPECT_GT(log.omitted_bytes, written - 2 * (16 << 10));
}

TEST(LogTail, TakesAnyBytes) {
  LogTail tail;
  tail.Add(std::string_view("a\xff\0b", 4));
  EXPECT_EQ(tail.Take().tail, std::string("a?\0b\n", 5));
}

// As progress bars are drawn.
TEST(LogTail, ALineThatWasWrittenOverIsAsItWasSeenLast) {
  LogTail tail;
  tail.Add(" 10 %\r 50 %\r100 %");
  tail.Add("of Windows\r");
  const EvaluatorLog log = tail.Take();
  EXPECT_EQ(log.tail, "100 %\nof Windows\n");
  EXPECT_EQ(log.omitted_bytes, 12);
}

}  // namespace
}  // namespace layernas
