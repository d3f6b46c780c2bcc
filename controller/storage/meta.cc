#include "controller/storage/meta.h"

#include <charconv>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"

namespace layernas::storage {

std::uint64_t DrawLineage() {
  std::random_device device;
  return (std::uint64_t{device()} << 32 | device()) | 1;
}

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

absl::StatusOr<std::optional<std::uint64_t>> ParseMeta(std::string_view key, std::string_view value) {
  const std::optional<std::uint64_t> number = ParseNumber(value);
  if (!number) {
    return absl::DataLossError(
        absl::StrCat("the stored ", std::string(key), " is not a number: \"", std::string(value), "\""));
  }
  return number;
}

}  // namespace layernas::storage
