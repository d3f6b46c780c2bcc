// What the store and its migrations know of RocksDB. Internal to storage.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/status.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace layernas::storage {

// Column families. DO NOT CHANGE the names. RocksDB insists on `default`, which stays empty.
enum Family { kDefault, kMeta, kSearches, kCandidates, kBuckets, kChanges, kLogs, kFamilyCount };
inline constexpr std::array<const char*, kFamilyCount> kFamilyNames = {"default", "meta",    "searches", "candidates",
                                                                       "buckets", "changes", "logs"};

// Keys of kMeta; the values are decimal numbers.
inline constexpr char kSchemaVersionKey[] = "schema_version";
inline constexpr char kNextSearchIdKey[] = "next_search_id";
inline constexpr char kLineageKey[] = "lineage";

// What RocksDB takes for errors, into the controller's log at level debug: a log of its own would lie on the disk that
// may be full.
std::shared_ptr<rocksdb::Logger> MakeDatabaseLogger();

struct Database {
  std::string directory;
  std::unique_ptr<rocksdb::DB> db;
  // By Family; those of a newer version after them.
  std::vector<rocksdb::ColumnFamilyHandle*> families;

  Database() = default;
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Nothing if there is no such key.
  absl::StatusOr<std::optional<std::uint64_t>> ReadMeta(const char* key) const;
};

std::optional<std::uint64_t> ParseNumber(std::string_view text);

// Says of what has gone wrong with the directory what to do about it.
absl::Status ToStatus(const rocksdb::Status& status, const std::string& directory);

}  // namespace layernas::storage
