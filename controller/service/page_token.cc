#include "controller/service/page_token.h"

#include <charconv>

#include "absl/strings/str_cat.h"

namespace layernas {

namespace {

absl::Status NotOurs() { return absl::InvalidArgumentError("page_token: was not returned by this call"); }

}  // namespace

absl::StatusOr<std::size_t> PageSize(std::int32_t page_size, std::size_t default_size) {
  constexpr std::int32_t kMax = 1000;
  if (page_size == 0) return default_size;
  if (page_size < 0 || page_size > kMax) {
    return absl::InvalidArgumentError(absl::StrCat("page_size: must be 1 to ", kMax, ", is ", page_size));
  }
  return static_cast<std::size_t>(page_size);
}

std::string FormatPageToken(std::uint64_t position) { return absl::StrCat("p", position); }

absl::StatusOr<std::uint64_t> ParsePageToken(const std::string& token, std::uint64_t first) {
  if (token.empty()) return first;
  std::uint64_t position = 0;
  const char* end = token.data() + token.size();
  const auto [parsed, error] = std::from_chars(token.data() + 1, end, position);
  if (token.front() != 'p' || error != std::errc() || parsed != end) return NotOurs();
  return position;
}

std::string FormatBucketToken(const BucketPlace& place) {
  return absl::StrCat("b", place.position.pass, ".", place.position.stage, ".", place.bucket);
}

absl::StatusOr<BucketPlace> ParseBucketToken(const std::string& token, core::Position first) {
  if (token.empty()) return BucketPlace{first, -1};
  BucketPlace place;
  const char* at = token.data();
  const char* end = at + token.size();
  char before = 'b';
  for (int* number : {&place.position.pass, &place.position.stage, &place.bucket}) {
    if (at == end || *at != before) return NotOurs();
    const auto [parsed, error] = std::from_chars(at + 1, end, *number);
    if (error != std::errc() || *number < 0) return NotOurs();
    at = parsed;
    before = '.';
  }
  if (at != end) return NotOurs();
  return place;
}

}  // namespace layernas
