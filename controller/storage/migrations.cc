#include "controller/storage/migrations.h"

#include <array>

#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "controller/storage/store.h"

namespace layernas::storage {
namespace {

// Lease tokens name the store's lineage from here on. Those that version 1 gave out name none, which means 0: the
// workers that hold them can go on.
absl::Status AddLineage(const Database& database, rocksdb::WriteBatch& batch) {
  return ToStatus(batch.Put(database.families[kMeta], kLineageKey, "0"), database.directory);
}

// Candidates may have been stopped early from here on, which version 2 would take for damage; and it would drop
// learning curves. What it wrote itself stays as it is.
absl::Status AllowStopped(const Database&, rocksdb::WriteBatch&) { return absl::OkStatus(); }

// Logs of evaluators have a family of their own from here on, which version 3 would not clear with their search.
absl::Status AddLogs(const Database&, rocksdb::WriteBatch&) { return absl::OkStatus(); }

constexpr std::array<Migration, kSchemaVersion - 1> kMigrations = {AddLineage, AllowStopped, AddLogs};

}  // namespace

std::span<const Migration> Migrations() { return kMigrations; }

absl::Status Migrate(Database& database, std::uint64_t from, std::span<const Migration> migrations) {
  for (std::uint64_t version = from; version <= migrations.size(); ++version) {
    rocksdb::WriteBatch batch;
    LAYERNAS_RETURN_IF_ERROR(migrations[version - 1](database, batch));
    LAYERNAS_RETURN_IF_ERROR(ToStatus(
        batch.Put(database.families[kMeta], kSchemaVersionKey, std::to_string(version + 1)), database.directory));
    rocksdb::WriteOptions options;
    options.sync = true;
    CrashPoint("before-migration");
    LAYERNAS_RETURN_IF_ERROR(ToStatus(database.db->Write(options, &batch), database.directory));
    CrashPoint("after-migration");
    log::Info("migrated", {{"data_dir", database.directory}, {"from_schema", version}, {"to_schema", version + 1}});
  }
  return absl::OkStatus();
}

}  // namespace layernas::storage
