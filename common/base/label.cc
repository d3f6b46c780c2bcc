#include "common/base/label.h"

#include <charconv>
#include <cmath>

namespace layernas {
namespace {

constexpr std::string_view kAtLeast = ">=";

std::optional<double> ParseNumber(std::string_view text) {
  constexpr std::string_view kSpace = " ";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return std::nullopt;
  text = text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

}  // namespace

std::optional<double> ParseAtLeast(std::string_view required) {
  if (!required.starts_with(kAtLeast)) return std::nullopt;
  return ParseNumber(required.substr(kAtLeast.size()));
}

bool LabelMeets(std::string_view value, std::string_view required) {
  if (value == required) return true;
  const std::optional<double> least = ParseAtLeast(required);
  if (!least) return false;
  const std::optional<double> number = ParseNumber(value);
  return number && *number >= *least;
}

}  // namespace layernas
