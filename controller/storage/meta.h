// Numbers that the store keeps about itself, in the family kMeta.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"

namespace layernas::storage {

// Keys; the values are decimal numbers.
inline constexpr char kSchemaVersionKey[] = "schema_version";
inline constexpr char kNextSearchIdKey[] = "next_search_id";
inline constexpr char kLineageKey[] = "lineage";
// The number that the changes of a new search start after; a missing key means 0.
inline constexpr char kChangesBaseKey[] = "changes_base";
// The time of the store at the last write, and how far the machine's clock was ahead of it (StoreTime).
// A number below 0 is stored as 2^64 plus that number.
inline constexpr char kStoreTimeKey[] = "store_time";
inline constexpr char kMachineAheadKey[] = "machine_ahead";
inline constexpr char kMachineMostAheadKey[] = "machine_most_ahead";
// 1 in a copy that was not opened for writing yet.
inline constexpr char kUnusedCopyKey[] = "unused_copy";

// Draws a random number that identifies a history; never 0.
std::uint64_t DrawLineage();

std::optional<std::uint64_t> ParseNumber(std::string_view text);
// Returns DATA_LOSS, with the key, if the value is not a number.
absl::StatusOr<std::optional<std::uint64_t>> ParseMeta(std::string_view key, std::string_view value);

}  // namespace layernas::storage
