#include "common/process/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

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

TEST(ShellQuoted, IsReadBackAsTheSameWord) {
  EXPECT_EQ(ShellQuoted("--metric=a=b,c"), "--metric=a=b,c");
  EXPECT_EQ(ShellQuoted(""), "''");
  EXPECT_EQ(ShellQuoted("it's $HOME"), "'it'\\''s $HOME'");
  for (const char* word : {"a b", "'", "\"x\" \\", "*;|&<>()#~!", "größe"}) {
    const auto words = SplitCommand(ShellQuoted(word));
    ASSERT_TRUE(words.ok()) << word;
    EXPECT_EQ(*words, std::vector<std::string>{word});
  }
}

}  // namespace
}  // namespace layernas
