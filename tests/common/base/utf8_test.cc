#include "common/base/utf8.h"

#include <gtest/gtest.h>

namespace layernas {
namespace {

TEST(CutUtf8, KeepsWellFormedText) {
  EXPECT_EQ(CutUtf8("plain, \u00e9, \u20ac, \U0001f600", 100), "plain, \u00e9, \u20ac, \U0001f600");
  EXPECT_EQ(CutUtf8("", 100), "");
}

TEST(CutUtf8, RepairsTheRest) {
  EXPECT_EQ(CutUtf8("a\xff"
                    "b",
                    100),
            "a?b");
  EXPECT_EQ(CutUtf8("\xc3", 100), "?") << "cut short";
  EXPECT_EQ(CutUtf8("\xe2\x82", 100), "??") << "cut short";
  EXPECT_EQ(CutUtf8("\xc0\xaf", 100), "??") << "overlong";
  EXPECT_EQ(CutUtf8("\xed\xa0\x80", 100), "???") << "surrogate";
  EXPECT_EQ(CutUtf8("\xf4\x90\x80\x80", 100), "????") << "over U+10FFFF";
}

TEST(Printable, ReplacesWhatSteersATerminalOrHidesText) {
  EXPECT_EQ(Printable("größe 小 \U0001f600 a\tb\nc"), "größe 小 \U0001f600 a?b?c");
  EXPECT_EQ(Printable("\x1b[31mred\x7f"), "?[31mred?");
  EXPECT_EQ(Printable("\u009b31m\u0085"), "?31m?") << "C1";
  EXPECT_EQ(Printable("\u202egnp\u2066x\u2069\u200f\u061c"), "?gnp?x???") << "bidirectional";
  EXPECT_EQ(Printable("\u2028\ufeff\U000e0041"), "???");
  EXPECT_EQ(Printable("\x9b\xed\xa0\x80\xff"), "?????") << "no UTF-8";
  EXPECT_EQ(Printable("a\tb\nc\r\x1b", Unprintable::kMarkInLines), "a\tb\nc??");
  EXPECT_EQ(Printable("a\nb\x1b\u009b\u202e\U000e0041\xff", Unprintable::kEscape),
            R"(a\nb\x1b\u009b\u202e\ue0041\xff)");
}

TEST(CutUtf8, CutsBetweenCharacters) {
  EXPECT_EQ(CutUtf8("a\u20acb", 4), "a\u20ac");
  EXPECT_EQ(CutUtf8("a\u20acb", 3), "a");
}

TEST(Width, IsThatOnATerminal) {
  EXPECT_EQ(Width("größe…▁"), 7U);
  EXPECT_EQ(Width("日本語"), 6U);
  EXPECT_EQ(Width("\U0001f680!"), 3U) << "emoji";
  EXPECT_EQ(Width("e\u0301\u200d"), 1U) << "combining";
  EXPECT_EQ(Width("\uff21\uac00"), 4U) << "full width and Hangul";
  EXPECT_EQ(Width("\xff\x80"), 2U) << "no UTF-8";
}

TEST(FirstColumns, CutsBetweenCharacters) {
  EXPECT_EQ(FirstColumns("a日本", 3), "a日");
  EXPECT_EQ(FirstColumns("a日本", 4), "a日");
  EXPECT_EQ(FirstColumns("e\u0301e", 1), "e\u0301");
  EXPECT_EQ(FirstColumns("abc", 0), "");
}

TEST(LastOfUtf8, BeginsWithACharacter) {
  EXPECT_EQ(LastOfUtf8("a\u20acb", 5), "a\u20acb");
  EXPECT_EQ(LastOfUtf8("a\u20acb", 4), "\u20acb");
  EXPECT_EQ(LastOfUtf8("a\u20acb", 3), "b");
  EXPECT_EQ(LastOfUtf8("\u20ac", 2), "");
}

TEST(ShortenUtf8, LeavesTheMiddleOut) {
  EXPECT_EQ(ShortenUtf8("0123456789", 2, 10), "0123456789");
  EXPECT_EQ(ShortenUtf8("0123456789+", 2, 10), "01…6789+");
  EXPECT_EQ(ShortenUtf8("0\u20ac456\u20ac89", 2, 10), "0…6\u20ac89") << "no character is cut";
}

}  // namespace
}  // namespace layernas
