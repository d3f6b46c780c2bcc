// What the store and its migrations know of RocksDB. Internal to storage.
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

// Says of what has gone wrong with the directory what to do about it.
absl::Status ToStatus(const rocksdb::Status& status, const std::string& directory);

}  // namespace layernas::storage
