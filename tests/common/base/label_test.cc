#include "common/base/label.h"

#include <gtest/gtest.h>

namespace layernas {
namespace {

TEST(Label, IsTheSameText) {
  EXPECT_TRUE(LabelMeets("gpu", "gpu"));
  EXPECT_TRUE(LabelMeets("", ""));
  EXPECT_FALSE(LabelMeets("gpu0", "gpu"));
  EXPECT_FALSE(LabelMeets("", "gpu"));
  EXPECT_FALSE(LabelMeets("16.0", "16"));
}

TEST(Label, IsANumberThatIsLargeEnough) {
  EXPECT_TRUE(LabelMeets("16", ">=16"));
  EXPECT_TRUE(LabelMeets("80", ">= 16"));
  EXPECT_TRUE(LabelMeets("16.5", ">=16.25"));
  // They are compared as numbers, not as text.
  EXPECT_FALSE(LabelMeets("9", ">=16"));
  EXPECT_FALSE(LabelMeets("15.99", ">=16"));
  for (const char* value : {"", " ", "many", "80GiB", "nan", "inf"}) EXPECT_FALSE(LabelMeets(value, ">=16")) << value;
}

TEST(Label, OnlyANumberCanBeAtLeast) {
  EXPECT_EQ(ParseAtLeast(">=16"), 16);
  EXPECT_EQ(ParseAtLeast(">= -0.5 "), -0.5);
  for (const char* text : {"16", ">=", ">= ", ">=x", ">=nan", ">=16GiB", "> 16", "=>16"}) {
    EXPECT_FALSE(ParseAtLeast(text)) << text;
  }
}

}  // namespace
}  // namespace layernas
