#include "common/help/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace layernas {
namespace {

using ::testing::HasSubstr;

// Returns the size in bytes, or the text of the error.
std::string Parse(const std::string& size) {
  CLI::App app;
  std::uint64_t bytes = 0;
  app.add_option("--limit", bytes)->transform(ByteSize());
  try {
    app.parse(std::vector<std::string>{"--limit=" + size});
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return std::to_string(bytes);
}

TEST(ByteSize, AllUnitsArePowersOf1024) {
  EXPECT_EQ(Parse("0"), "0");
  EXPECT_EQ(Parse("0MiB"), "0");
  EXPECT_EQ(Parse("10"), "10");
  EXPECT_EQ(Parse("10b"), "10");
  EXPECT_EQ(Parse("3kb"), "3072");
  EXPECT_EQ(Parse("500MiB"), "524288000");
  EXPECT_EQ(Parse("2 GiB"), "2147483648");
}

TEST(ByteSize, RefusesWhatCli11WouldMisread) {
  EXPECT_EQ(Parse("010MiB"), "--limit: must not begin with a zero, is 010MiB");
  EXPECT_EQ(Parse("0x10"), "--limit: must not begin with a zero, is 0x10");
  EXPECT_EQ(Parse("-1b"), "--limit: must not be negative, is -1b");
  EXPECT_EQ(Parse(" 010"), "--limit: must not begin with a zero, is  010");
  EXPECT_EQ(Parse("\t-1"), "--limit: must not be negative, is \t-1");
  EXPECT_THAT(Parse("1EiBs"), HasSubstr("--limit: "));
  EXPECT_THAT(Parse("17179869184GiB"), HasSubstr("--limit: "));
}

// As from "${LIMIT}MiB" in a script that does not set LIMIT.
TEST(ByteSize, RefusesAUnitWithoutANumber) {
  EXPECT_EQ(Parse("MiB"), "--limit: must begin with a number, is MiB");
  EXPECT_EQ(Parse(" b"), "--limit: must begin with a number, is  b");
}

TEST(ByteSize, RefusesWhatDoesNotFitInto64Bits) {
  EXPECT_EQ(Parse("18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(Parse("18446744073709551616"), "--limit: is too large: 18446744073709551616");
  EXPECT_EQ(Parse("99999999999999999999"), "--limit: is too large: 99999999999999999999");
  EXPECT_EQ(Parse("99999999999999999999kb"), "--limit: is too large: 99999999999999999999kb");
}

// Returns the mistakes that FindWrongOption() finds in the value of a number, or what was read.
template <typename Number>
std::string ParseNumber(const std::string& value) {
  CLI::App app;
  Number number = 0;
  app.add_option("--number", number);
  app.parse(std::vector<std::string>{"--number=" + value});
  const std::string why = FindWrongOption(app, {});
  return why.empty() ? std::to_string(number) : why;
}

TEST(FindWrongOption, FindsMisreadNumbersBehindBlanks) {
  EXPECT_EQ(ParseNumber<std::uint64_t>(" 8"), "8");
  EXPECT_EQ(ParseNumber<std::uint64_t>(" 010"), "--number: must not begin with a zero, is  010");
  EXPECT_EQ(ParseNumber<std::uint64_t>("\n-1"), "--number: must not be negative, is \n-1");
  EXPECT_EQ(ParseNumber<std::int64_t>(" -010"), "--number: must not begin with a zero, is  -010");
}

TEST(FindWrongOption, FindsNumbersOfMoreThan64Bits) {
  EXPECT_EQ(ParseNumber<std::uint64_t>("18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(ParseNumber<std::uint64_t>("18446744073709551616"), "--number: is too large: 18446744073709551616");
  EXPECT_EQ(ParseNumber<std::int64_t>("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(ParseNumber<std::int64_t>("9223372036854775808"), "--number: is too large: 9223372036854775808");
  EXPECT_EQ(ParseNumber<std::int64_t>("-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(ParseNumber<std::int64_t>("-9223372036854775809"), "--number: is too small: -9223372036854775809");
}

}  // namespace
}  // namespace layernas
