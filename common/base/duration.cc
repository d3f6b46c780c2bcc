#include "common/base/duration.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>

namespace layernas {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t millis;
};

constexpr std::array<Unit, 4> kUnits = {{{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr double kMaxMillis = 100.0 * 365 * 24 * 3'600'000;

absl::Status Malformed(std::string_view text, std::string_view why) {
  std::string message = "not a duration: \"";
  message.append(text).append("\" (").append(why).append("); write it like 90s, 30m, 1h30m or 500ms");
  return absl::InvalidArgumentError(message);
}

}  // namespace

absl::StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  if (text.empty()) return Malformed(text, "empty");
  double total = 0;
  std::size_t first_allowed = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    if (rest.front() < '0' || rest.front() > '9') return Malformed(text, "a number was expected");
    double number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
    if (error != std::errc()) return Malformed(text, "the number is too large");
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const std::string_view name = rest.substr(0, rest.find_first_of("0123456789."));
    if (name.empty()) return Malformed(text, "the unit is missing");
    std::size_t unit = 0;
    while (unit < kUnits.size() && kUnits[unit].name != name) ++unit;
    if (unit == kUnits.size()) return Malformed(text, "units are h, m, s and ms");
    if (unit < first_allowed) return Malformed(text, "larger units come first, each once");
    first_allowed = unit + 1;
    total += number * static_cast<double>(kUnits[unit].millis);
    if (total > kMaxMillis) return Malformed(text, "over 100 years");
    rest.remove_prefix(name.size());
  }
  return std::chrono::milliseconds(std::llround(total));
}

std::string FormatDuration(std::chrono::milliseconds duration) {
  if (duration.count() == 0) return "0s";
  std::string text = duration.count() < 0 ? "-" : "";
  std::int64_t left = std::abs(duration.count());
  for (const Unit& unit : kUnits) {
    if (const std::int64_t count = left / unit.millis; count > 0) {
      text += std::to_string(count);
      text += unit.name;
      left -= count * unit.millis;
    }
  }
  return text;
}

}  // namespace layernas
