// The tables of the store.
#pragma once

#include <array>

namespace layernas::storage {

// Column families. DO NOT CHANGE the names. RocksDB requires `default`, which stays empty.
enum Family { kDefault, kMeta, kSearches, kCandidates, kBuckets, kChanges, kLogs, kFamilyCount };
inline constexpr std::array<const char*, kFamilyCount> kFamilyNames = {"default", "meta",    "searches", "candidates",
                                                                       "buckets", "changes", "logs"};
// Families with keys that begin with the id of a search.
inline constexpr std::array kFamiliesOfASearch = {kSearches, kCandidates, kBuckets, kChanges, kLogs};

}  // namespace layernas::storage
