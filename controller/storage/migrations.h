// Migrations: convert the store of an older version to this version.
#pragma once

#include <rocksdb/write_batch.h>

#include <span>

#include "absl/status/status.h"
#include "controller/storage/database.h"

namespace layernas::storage {

// Adds to the batch the changes that convert records of one schema version to the next. It reads
// records as the older version wrote them. New column families already exist.
using Migration = absl::Status (*)(const Database& database, rocksdb::WriteBatch& batch);

// The first migration leads from version 1 to 2. Append only: each of them has already run on
// users' data.
std::span<const Migration> Migrations();

// Runs the migrations that follow version `from`. Each is one synced write together with the new
// version number, so a crash leaves one of the two versions.
absl::Status Migrate(Database& database, std::uint64_t from, std::span<const Migration> migrations = Migrations());

}  // namespace layernas::storage
