// Page sizes and page tokens of the List calls. A token is opaque to callers; it contains where the
// next page begins.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "controller/core/strategy.h"

namespace layernas {

// 0 means `default_size`, and 1 to 1,000 mean themselves. Returns INVALID_ARGUMENT for other
// values.
absl::StatusOr<std::size_t> PageSize(std::int32_t page_size, std::size_t default_size = 100);

std::string FormatPageToken(std::uint64_t position);
// Returns `first` for an empty token, and INVALID_ARGUMENT for a token that FormatPageToken() did
// not return.
absl::StatusOr<std::uint64_t> ParsePageToken(const std::string& token, std::uint64_t first);

// Where a page of buckets ended.
struct BucketPlace {
  core::Position position;
  // -1: before the first bucket.
  int bucket = -1;
};

std::string FormatBucketToken(const BucketPlace& place);
// Returns the start of the table at `first` for an empty token, and INVALID_ARGUMENT for an invalid
// token.
absl::StatusOr<BucketPlace> ParseBucketToken(const std::string& token, core::Position first);

}  // namespace layernas
