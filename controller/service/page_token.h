// Page sizes and tokens of the List calls. A token is opaque to callers: it holds where the next page begins.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "controller/core/strategy.h"

namespace layernas {

// 0 means `default_size`; 1 to 1,000 as it is; anything else is INVALID_ARGUMENT.
absl::StatusOr<std::size_t> PageSize(std::int32_t page_size, std::size_t default_size = 100);

std::string FormatPageToken(std::uint64_t position);
// `first` for an empty token; INVALID_ARGUMENT if it is none of ours.
absl::StatusOr<std::uint64_t> ParsePageToken(const std::string& token, std::uint64_t first);

// Where a page of buckets ended.
struct BucketPlace {
  core::Position position;
  // -1: before the first.
  int bucket = -1;
};

std::string FormatBucketToken(const BucketPlace& place);
// The start of the table at `first` for an empty token; INVALID_ARGUMENT if it is none of ours.
absl::StatusOr<BucketPlace> ParseBucketToken(const std::string& token, core::Position first);

}  // namespace layernas
