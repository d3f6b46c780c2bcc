#include "client/output/units.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

#include "absl/strings/str_format.h"

namespace layernas::client {
namespace {

std::string FormatLocal(const google::protobuf::Timestamp& time, const char* format) {
  const std::time_t seconds = time.seconds();
  std::tm parts = {};
  localtime_r(&seconds, &parts);
  std::array<char, 64> text;
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

// Returns the UTC offset at that time, such as "-05:00".
std::string FormatZone(const google::protobuf::Timestamp& time) {
  std::string zone = FormatLocal(time, "%z");
  if (zone.size() == 5) zone.insert(3, ":");
  return zone;
}

bool IsUnset(const google::protobuf::Timestamp& time) { return time.seconds() == 0 && time.nanos() == 0; }

}  // namespace

std::string FormatValue(double value) {
  struct Unit {
    double size;
    const char* suffix;
  };
  constexpr std::array<Unit, 4> kUnits = {{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}}};
  const double size = std::abs(value);
  // Up to 99,999, digits are more precise than a suffix.
  if (size < 99999.5 || size >= 1e15) return absl::StrFormat("%.5g", value);
  for (const Unit& unit : kUnits) {
    if (size >= unit.size * 0.99995) return absl::StrFormat("%.4g%s", value / unit.size, unit.suffix);
  }
  return absl::StrFormat("%.5g", value);
}

std::string FormatCount(double count) {
  // Beyond the largest number.
  if (std::isinf(count)) return count > 0 ? "more than 1.79e+308" : "less than -1.79e+308";
  if (std::abs(count) >= 1e15) return absl::StrFormat("%.2e", count);
  const std::string digits = absl::StrFormat("%.0f", std::abs(count));
  std::string text = count <= -0.5 ? "-" : "";
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string FormatExact(double value) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

std::string ToAscii(std::string_view text) {
  struct Replacement {
    std::string_view character;
    std::string_view ascii;
  };
  constexpr std::array<Replacement, 9> kReplacements = {
      {{"…", "..."}, {"▁", "."}, {"▂", ":"}, {"▃", "-"}, {"▄", "="}, {"▅", "+"}, {"▆", "*"}, {"▇", "#"}, {"█", "@"}}};
  std::string ascii;
  while (!text.empty()) {
    if (static_cast<unsigned char>(text.front()) < 0x80) {
      ascii += text.front();
      text.remove_prefix(1);
      continue;
    }
    std::size_t size = 1;
    while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) ++size;
    const auto* const found = std::find_if(kReplacements.begin(), kReplacements.end(), [&](const Replacement& each) {
      return each.character == text.substr(0, size);
    });
    ascii += found == kReplacements.end() ? "?" : found->ascii;
    text.remove_prefix(size);
  }
  return ascii;
}

std::string FormatElapsed(std::chrono::seconds elapsed) {
  const std::int64_t seconds = std::max<std::int64_t>(elapsed.count(), 0);
  if (seconds < 60) return absl::StrFormat("%ds", seconds);
  if (seconds < 3600) return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  if (seconds < 86400) return absl::StrFormat("%dh%02dm", seconds / 3600, seconds / 60 % 60);
  return absl::StrFormat("%dd%02dh", seconds / 86400, seconds / 3600 % 24);
}

std::string FormatTime(const google::protobuf::Timestamp& time) {
  return IsUnset(time) ? "" : FormatLocal(time, "%Y-%m-%d %H:%M:%S") + FormatZone(time);
}

std::string FormatTimeOfDay(const google::protobuf::Timestamp& time) {
  return FormatLocal(time, "%H:%M:%S") + FormatZone(time);
}

std::string FormatExactTime(const google::protobuf::Timestamp& time) {
  return IsUnset(time) ? "" : google::protobuf::util::TimeUtil::ToString(time);
}

}  // namespace layernas::client
