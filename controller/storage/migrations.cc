#include "controller/storage/migrations.h"

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "controller/storage/keys.h"
#include "controller/storage/records.h"
#include "controller/storage/store.h"

namespace layernas::storage {
namespace {

// Adds the store's lineage, which lease tokens contain from here on. Tokens of version 1 contain
// none, which means 0. Version 5 replaces this.
absl::Status AddLineage(const Database& database, rocksdb::WriteBatch& batch) {
  return ToStatus(batch.Put(database.families[kMeta], kLineageKey, "0"), database.directory);
}

// Allows stopped candidates. Version 2 would treat them as damage and would drop learning curves.
// Its own records stay unchanged.
absl::Status AllowStopped(const Database&, rocksdb::WriteBatch&) { return absl::OkStatus(); }

// Adds a family for logs of evaluators. Version 3 would not delete them with their search.
absl::Status AddLogs(const Database&, rocksdb::WriteBatch&) { return absl::OkStatus(); }

// Returns whether a candidate of the search was ever leased.
absl::StatusOr<bool> WasLeased(const Database& database, std::uint64_t search) {
  const std::string end = EncodeKey(search + 1);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> rows(database.db->NewIterator(options, database.families[kCandidates]));
  for (rows->Seek(EncodeKey(search)); rows->Valid(); rows->Next()) {
    LAYERNAS_ASSIGN_OR_RETURN(const core::Candidate candidate, DecodeCandidate(rows->value().ToStringView()));
    if (candidate.attempt > 0) return true;
  }
  LAYERNAS_RETURN_IF_ERROR(ToStatus(rows->status(), database.directory));
  return false;
}

// Makes two changes. First, lineage 0 is no longer valid: version 4 gave it to every new store, so
// a token of one store was valid in another. A store with lineage 0 draws a new one, which ends its
// granted leases. Second, the time of a search counts from its first lease. Version 4 counted it
// from the creation; searches whose time was already counted keep that start.
absl::Status NameEveryHistory(const Database& database, rocksdb::WriteBatch& batch) {
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> lineage, database.ReadMeta(kLineageKey));
  if (lineage.value_or(0) == 0) {
    LAYERNAS_RETURN_IF_ERROR(
        ToStatus(batch.Put(database.families[kMeta], kLineageKey, std::to_string(DrawLineage())), database.directory));
  }
  const std::unique_ptr<rocksdb::Iterator> rows(
      database.db->NewIterator(rocksdb::ReadOptions(), database.families[kSearches]));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    LAYERNAS_ASSIGN_OR_RETURN(StoredSearch search, DecodeSearch(rows->value().ToStringView()));
    LAYERNAS_ASSIGN_OR_RETURN(const bool leased, WasLeased(database, search.id));
    if (!leased) continue;
    search.started = search.created;
    if (search.start_store_time == 0) search.start_store_time = search.created;
    LAYERNAS_RETURN_IF_ERROR(
        ToStatus(batch.Put(database.families[kSearches], rows->key(), Encode(search)), database.directory));
  }
  return ToStatus(rows->status(), database.directory);
}

constexpr std::array<Migration, kSchemaVersion - 1> kMigrations = {AddLineage, AllowStopped, AddLogs, NameEveryHistory};

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
