#include "common/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layernas {
namespace {

using ::testing::EndsWith;
using ::testing::IsEmpty;

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

TEST(Log, AnUnknownLevelIsRefused) { EXPECT_FALSE(log::Init("layernas-test", "loud")); }

}  // namespace
}  // namespace layernas
