#include "common/base/wire_name.h"

#include <gtest/gtest.h>

namespace layernas {
namespace {

TEST(WireName, SaysWhatIsWrong) {
  EXPECT_EQ(WhyNoName("größe"), "");
  EXPECT_EQ(WhyNoName(std::string(100, 'n')), "");
  EXPECT_EQ(WhyNoName(std::string(101, 'n')), "has 101 bytes; the maximum is 100");
  EXPECT_EQ(WhyNoName(""), "must not be empty");
  EXPECT_EQ(WhyNoName("", 0), "");
  for (const char* text : {"a\nb", "\x1b", "\x7f"}) {
    EXPECT_EQ(WhyNoName(text), "must not hold control characters");
    EXPECT_TRUE(HasControlCharacter(text));
  }
  EXPECT_EQ(WhyNoName("\xff"), "is not UTF-8");
  EXPECT_EQ(WhyNoName("gr\xc3"), "is not UTF-8");
}

}  // namespace
}  // namespace layernas
