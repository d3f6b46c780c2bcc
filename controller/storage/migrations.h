// How the store of an older version becomes one of this version.
#pragma once

#include <rocksdb/write_batch.h>

#include <span>

#include "absl/status/status.h"
#include "controller/storage/database.h"

namespace layernas::storage {

// Adds to the batch what makes records of one schema version records of the next. What it reads is as that one version
// wrote it; column families that are new are there already.
using Migration = absl::Status (*)(const Database& database, rocksdb::WriteBatch& batch);

// The first leads from version 1 to 2. Append only: each has been run on somebody's data.
std::span<const Migration> Migrations();

// Runs those that lead on from version `from`. Each is one synced write together with the new version number, so that a
// crash leaves the one version or the other.
absl::Status Migrate(Database& database, std::uint64_t from, std::span<const Migration> migrations = Migrations());

}  // namespace layernas::storage
