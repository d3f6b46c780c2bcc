#include "controller/service/page_token.h"

#include <charconv>

#include "absl/strings/str_cat.h"

namespace layernas {

absl::StatusOr<std::size_t> PageSize(std::int32_t page_size) {
  constexpr std::size_t kDefault = 100;
  constexpr std::int32_t kMost = 1000;
  if (page_size == 0) return kDefault;
  if (page_size < 0 || page_size > kMost) {
    return absl::InvalidArgumentError(absl::StrCat("page_size: must be 1 to ", kMost, ", is ", page_size));
  }
  return static_cast<std::size_t>(page_size);
}

std::string FormatPageToken(std::uint64_t position) { return absl::StrCat("p", position); }

absl::StatusOr<std::uint64_t> ParsePageToken(const std::string& token, std::uint64_t first) {
  if (token.empty()) return first;
  std::uint64_t position = 0;
  const char* end = token.data() + token.size();
  const auto [parsed, error] = std::from_chars(token.data() + 1, end, position);
  if (token.front() != 'p' || error != std::errc() || parsed != end) {
    return absl::InvalidArgumentError("page_token: is not a token that this call returned");
  }
  return position;
}

}  // namespace layernas
