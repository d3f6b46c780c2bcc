#include "common/base/number.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

namespace layernas {
namespace {

TEST(FormatNumber, IsAsAPersonWritesIt) {
  EXPECT_EQ(FormatNumber(0), "0");
  EXPECT_EQ(FormatNumber(4.5), "4.5");
  EXPECT_EQ(FormatNumber(-40000000), "-40000000");
  EXPECT_EQ(FormatNumber(0.00001), "0.00001");
  EXPECT_EQ(FormatNumber(1e22), "1e+22");
  EXPECT_EQ(FormatNumber(std::numeric_limits<double>::infinity()), "inf");
}

TEST(FormatNumber, ReadsBackAsTheSame) {
  for (const double value : {1234568.0, 1234567.125, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 999999999999999.9}) {
    EXPECT_EQ(std::strtod(FormatNumber(value).c_str(), nullptr), value);
  }
}

}  // namespace
}  // namespace layernas
