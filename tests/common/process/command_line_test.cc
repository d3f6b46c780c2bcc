#include "common/process/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layernas {
namespace {

using ::testing::ElementsAre;

TEST(SplitCommand, KeepsQuotedWordsTogether) {
  EXPECT_THAT(*SplitCommand("  python3 train.py  --name 'a b'\t\"c \\\" d\" e\\ f '' x'y'z"),
              ElementsAre("python3", "train.py", "--name", "a b", "c \" d", "e f", "", "xyz"));
  EXPECT_FALSE(SplitCommand("  ").ok());
  EXPECT_FALSE(SplitCommand("a \"b").ok());
  EXPECT_FALSE(SplitCommand("a\\").ok());
}

}  // namespace
}  // namespace layernas
