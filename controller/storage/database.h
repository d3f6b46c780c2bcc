// The RocksDB part that the store and its migrations share. Internal to storage.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/status.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/storage/families.h"
#include "controller/storage/meta.h"

namespace layernas::storage {

// Makes a logger that writes RocksDB's errors to the controller's log at level debug. RocksDB's own
// log file would be on the disk that may be full.
std::shared_ptr<rocksdb::Logger> MakeDatabaseLogger();

struct Database {
  std::string directory;
  std::unique_ptr<rocksdb::DB> db;
  // Indexed by Family; families of a newer version follow.
  std::vector<rocksdb::ColumnFamilyHandle*> families;

  Database() = default;
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Returns nothing if the key does not exist.
  absl::StatusOr<std::optional<std::uint64_t>> ReadMeta(const char* key) const;
};

// Converts an error of the directory to a status that says what to do about it.
absl::Status ToStatus(const rocksdb::Status& status, const std::string& directory);

}  // namespace layernas::storage
