// Numbers and times as text.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace layernas::client {

// Returns at most five significant digits: "0.87426", "39.94M".
std::string FormatValue(double value);
// Returns a count with separators: "6,561"; from 10^15 on "1.00e+22".
std::string FormatCount(double count);
// Returns the shortest text that reads back as the same number.
std::string FormatExact(double value);

// Converts text to ASCII: an ellipsis to dots, the levels of a sparkline to . : - = + * # @, and
// each other character to a question mark.
std::string ToAscii(std::string_view text);

// For example "3s", "2m13s", "5h07m", "3d04h".
std::string FormatElapsed(std::chrono::seconds elapsed);
// Returns local time with its zone, "2026-02-03 14:03:59-05:00"; empty for an unset time.
std::string FormatTime(const google::protobuf::Timestamp& time);
// Returns local time with its zone, "14:03:59-05:00".
std::string FormatTimeOfDay(const google::protobuf::Timestamp& time);
// Returns RFC 3339 in UTC; empty for an unset time.
std::string FormatExactTime(const google::protobuf::Timestamp& time);

}  // namespace layernas::client
