#include "common/base/duration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace layernas {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

TEST(Duration, ReadsWhatPeopleWrite) {
  EXPECT_EQ(*ParseDuration("90s"), seconds(90));
  EXPECT_EQ(*ParseDuration("30m"), minutes(30));
  EXPECT_EQ(*ParseDuration("1h30m"), minutes(90));
  EXPECT_EQ(*ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(*ParseDuration("1.5s"), milliseconds(1500));
  EXPECT_EQ(*ParseDuration("1m1ms"), milliseconds(60001));
  EXPECT_EQ(*ParseDuration("0s"), milliseconds(0));
  EXPECT_EQ(*ParseDuration("876000h"), hours(876000));
}

TEST(Duration, RefusesTheRestAndSaysWhy) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "empty"},
      {"90", "unit is missing"},
      {"-5s", "a number was expected"},
      {"s", "a number was expected"},
      {"5 s", "units are"},
      {"5d", "units are"},
      {"5s5", "unit is missing"},
      {"5m1h", "larger units come first"},
      {"1s1s", "each once"},
      {"876001h", "over 100 years"},
      {" 5s", "a number was expected"},
      {"1.5.5s", "unit is missing"},
      {"inf", "a number was"},
      {"nan", "a number was expected"},
  };
  for (const auto& [text, why] : cases) {
    const auto parsed = ParseDuration(text);
    ASSERT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(why)) << text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("like 90s"));
  }
}

TEST(Duration, WritesWhatItReads) {
  EXPECT_EQ(FormatDuration(milliseconds(0)), "0s");
  EXPECT_EQ(FormatDuration(milliseconds(-1500)), "-1s500ms");
  for (const char* text : {"1h30m", "90h", "500ms", "1m1ms", "59s"})
    EXPECT_EQ(FormatDuration(*ParseDuration(text)), text);
}

}  // namespace
}  // namespace layernas
