// Numbers and times for people, and for programs.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace layernas::client {

// For people, five significant digits at most: "0.87426", "39.94M".
std::string FormatValue(double value);
// A count, with separators: "6,561"; from 10^15 on "1.00e+22".
std::string FormatCount(double count);
// The shortest text that reads back as the same number.
std::string FormatExact(double value);

// Text in ASCII: dots for an ellipsis, levels of a sparkline as . : - = + * # @, else a question mark a character.
std::string ToAscii(std::string_view text);

// "3s", "2m13s", "5h07m", "3d04h".
std::string FormatElapsed(std::chrono::seconds elapsed);
// Local time with its zone, "2026-02-03 14:03:59-05:00"; empty for an unset one.
std::string FormatTime(const google::protobuf::Timestamp& time);
// Local time with its zone, "14:03:59-05:00".
std::string FormatTimeOfDay(const google::protobuf::Timestamp& time);
// RFC 3339 in UTC; empty for an unset one.
std::string FormatExactTime(const google::protobuf::Timestamp& time);

}  // namespace layernas::client
