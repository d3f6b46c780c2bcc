#include "controller/storage/rocks_store.h"

#include <fcntl.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "controller/storage/migrations.h"

namespace layernas::storage {
namespace {

rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }

std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Returns whether another process holds RocksDB's lock.
bool IsHeldElsewhere(const std::string& directory) {
  const int file = open((directory + "/LOCK").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool held = fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  close(file);
  return held;
}

absl::Status NothingIn(const std::string& directory) {
  return absl::NotFoundError(absl::StrCat("no controller data in ", directory));
}

// Converts an error of a copy, which may be on the data directory's disk or on another one.
absl::Status CopyStatus(const rocksdb::Status& status, const std::string& directory) {
  if (!status.IsNoSpace()) return ToStatus(status, directory);
  return absl::ResourceExhaustedError(
      absl::StrCat("no space is left for a copy in ", directory, " (", status.ToString(), "); free some and retry"));
}

rocksdb::Options DatabaseOptions(bool read_only) {
  rocksdb::Options options;
  options.create_if_missing = !read_only;
  options.create_missing_column_families = !read_only;
  // The default mode silently stops before a corrupt record in the middle of the log, and so could
  // drop acknowledged results. This mode accepts a torn tail (never acknowledged) and refuses
  // anything else.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.max_open_files = 512;
  options.max_total_wal_size = 256 << 20;
  // Spread over the time of writing, so that a finished large file does not delay a synced write.
  options.bytes_per_sync = 1 << 20;
  // Data stays in the first levels only for a short time.
  options.compression_per_level = {rocksdb::kNoCompression, rocksdb::kNoCompression, rocksdb::kSnappyCompression};
  options.info_log = MakeDatabaseLogger();
  options.info_log_level = rocksdb::InfoLogLevel::ERROR_LEVEL;
  return options;
}

// Opens the database of a directory with all its families.
absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& directory, const rocksdb::Options& options,
                                                       bool read_only) {
  std::vector<std::string> names(kFamilyNames.begin(), kFamilyNames.end());
  std::vector<std::string> present;
  // If nothing can be listed, either nothing is there yet, or Open() reports the problem.
  rocksdb::DB::ListColumnFamilies(options, directory, &present).PermitUncheckedError();
  // A newer version may have added families. They must be opened too before its schema version can
  // be read.
  for (const std::string& name : present) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (read_only && options.env->FileExists(directory + "/CURRENT").IsNotFound()) return NothingIn(directory);
  // An older version lacks the last families. Opening for reading does not create them; the schema
  // check reports the version.
  if (read_only) {
    std::erase_if(names, [&present](const std::string& name) {
      return std::find(present.begin(), present.end(), name) == present.end();
    });
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.reserve(names.size());
  for (const std::string& name : names) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions(options));

  auto database = std::make_unique<Database>();
  database->directory = directory;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      read_only ? rocksdb::DB::OpenForReadOnly(options, directory, descriptors, &database->families, &db)
                : rocksdb::DB::Open(options, directory, descriptors, &database->families, &db);
  LAYERNAS_RETURN_IF_ERROR(ToStatus(status, directory));
  database->db.reset(db);
  return database;
}

}  // namespace

void FlushErrors::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status /*error*/,
                                       bool* auto_recovery) {
  using Reason = rocksdb::BackgroundErrorReason;
  switch (reason) {
    case Reason::kFlush:
    case Reason::kFlushNoWAL:
    case Reason::kManifestWrite:
    case Reason::kManifestWriteNoWAL:
      *auto_recovery = false;
      occurred_ = true;
      return;
    case Reason::kWriteCallback:
    case Reason::kMemTable:
      // The contents of the log are uncertain: only a restart reads it again.
    case Reason::kCompaction:
      return;
  }
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& directory) {
  return RocksStore::Open(directory, DatabaseOptions(false), false);
}

absl::StatusOr<std::unique_ptr<Store>> Store::OpenReadOnly(const std::string& directory) {
  if (IsHeldElsewhere(directory)) {
    return absl::FailedPreconditionError(
        absl::StrCat("a controller runs on the data directory ", directory,
                     "; stop it first, or check a backup: a live directory cannot be checked"));
  }
  return RocksStore::Open(directory, DatabaseOptions(true), true);
}

absl::StatusOr<std::unique_ptr<Store>> Store::OpenWithoutDamagedLog(const std::string& directory) {
  rocksdb::Options options = DatabaseOptions(false);
  options.create_if_missing = false;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  LAYERNAS_ASSIGN_OR_RETURN(auto store, RocksStore::Open(directory, options, false));
  LAYERNAS_RETURN_IF_ERROR(store->LeaveOriginal());
  return store;
}

absl::StatusOr<std::unique_ptr<RocksStore>> RocksStore::Open(const std::string& directory,
                                                             const rocksdb::Options& options, bool read_only) {
  const auto flush_errors = std::make_shared<FlushErrors>();
  rocksdb::Options listened = options;
  listened.listeners.push_back(flush_errors);
  LAYERNAS_ASSIGN_OR_RETURN(auto database, OpenDatabase(directory, listened, read_only));
  std::unique_ptr<RocksStore> store(new RocksStore(std::move(database), flush_errors));
  LAYERNAS_RETURN_IF_ERROR(store->CheckSchema(read_only));
  if (read_only) return store;
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> unused_copy, store->ReadMeta(kUnusedCopyKey));
  if (unused_copy.value_or(0) != 0) LAYERNAS_RETURN_IF_ERROR(store->LeaveOriginal());
  return store;
}

absl::Status RocksStore::CheckSchema(bool read_only) {
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> version, ReadMeta(kSchemaVersionKey));
  if (!version) {
    if (read_only) return NothingIn(database_->directory);
    CrashPoint("before-schema");
    return Commit(NewStore(DrawLineage()));
  }
  if (*version > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the data directory ", database_->directory, " was written by a newer version of layernas (schema ", *version,
        ", this one knows ", kSchemaVersion, "); upgrade layernas-controller"));
  }
  if (*version == kSchemaVersion) return absl::OkStatus();
  if (read_only) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the data directory ", database_->directory, " was written by an older version of layernas (schema ", *version,
        ", this one is at ", kSchemaVersion, "); start layernas-controller on it once to migrate it"));
  }
  return Migrate(*database_, *version);
}

absl::Status RocksStore::LeaveOriginal() {
  LAYERNAS_ASSIGN_OR_RETURN(Batch batch, BeginHistory(DrawLineage()));
  return Commit(std::move(batch));
}

absl::Status RocksStore::Commit(std::vector<Batch> batches) {
  std::size_t largest = 0;
  for (const Batch& batch : batches) largest = std::max(largest, batch.operations().bytes());
  rocksdb::WriteBatch writes(largest);
  for (const Batch& batch : batches) {
    writes.Clear();
    // Writing to a batch in memory cannot fail.
    batch.operations().Visit(
        [&](Family family, std::string_view key, std::string_view value) {
          writes.Put(database_->families[family], ToSlice(key), ToSlice(value)).PermitUncheckedError();
        },
        [&](Family family, std::string_view begin, std::string_view end) {
          writes.DeleteRange(database_->families[family], ToSlice(begin), ToSlice(end)).PermitUncheckedError();
        });
    rocksdb::WriteOptions options;
    // Survives a power loss, and not only the death of the process. The last sync includes the
    // earlier batches.
    options.sync = &batch == &batches.back();
    if (options.sync && batches.size() > 1) CrashPoint("before-sync");
    rocksdb::Status written = db().Write(options, &writes);
    // Nothing of the batch was written, because RocksDB refused it.
    if (!written.ok() && flush_errors_->Take() && db().Resume().ok()) written = db().Write(options, &writes);
    LAYERNAS_RETURN_IF_ERROR(ToStatus(written));
  }
  return absl::OkStatus();
}

absl::Status RocksStore::Reclaim(std::uint64_t search) {
  if (reclaiming_stopped_) return absl::OkStatus();
  const std::string begin_key = EncodeKey(search);
  const std::string end_key = EncodeKey(search + 1);
  const rocksdb::Slice begin(begin_key);
  const rocksdb::Slice end(end_key);
  // Flushes all families: RocksDB deletes a log only after the data of each family is in a file.
  LAYERNAS_RETURN_IF_ERROR(ToStatus(db().Flush(rocksdb::FlushOptions(), database_->families)));
  for (const Family family : kFamiliesOfASearch) {
    rocksdb::ColumnFamilyHandle* handle = database_->families[family];
    // Whole files of deleted data are removed without reading them again.
    LAYERNAS_RETURN_IF_ERROR(ToStatus(rocksdb::DeleteFilesInRange(&db(), handle, &begin, &end, /*include_end=*/false)));
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    options.canceled = &reclaiming_stopped_;
    const rocksdb::Status status = db().CompactRange(options, handle, &begin, &end);
    if (reclaiming_stopped_) return absl::OkStatus();
    LAYERNAS_RETURN_IF_ERROR(ToStatus(status));
  }
  return absl::OkStatus();
}

std::uint64_t RocksStore::syncs() const {
  std::map<std::string, std::string> stats;
  if (!db().GetMapProperty(rocksdb::DB::Properties::kDBStats, &stats)) return 0;
  return ParseNumber(stats["db.wal_syncs"]).value_or(0);
}

Store::Figures RocksStore::MeasureFigures() const {
  const auto sum = [this](const std::string& property) {
    std::uint64_t value = 0;
    return db().GetAggregatedIntProperty(property, &value) ? value : 0;
  };
  using Properties = rocksdb::DB::Properties;
  Figures figures;
  figures.table_bytes = sum(Properties::kTotalSstFilesSize);
  figures.memory_bytes = sum(Properties::kCurSizeAllMemTables) + sum(Properties::kEstimateTableReadersMem);
  figures.compaction_pending_bytes = sum(Properties::kEstimatePendingCompactionBytes);
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(database_->directory, error);
  if (!error) figures.free_bytes = space.available;
  return figures;
}

absl::Status RocksStore::CopyTo(const std::string& directory) const {
  rocksdb::Checkpoint* raw = nullptr;
  LAYERNAS_RETURN_IF_ERROR(ToStatus(rocksdb::Checkpoint::Create(&db(), &raw)));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  LAYERNAS_RETURN_IF_ERROR(CopyStatus(checkpoint->CreateCheckpoint(directory), directory));
  // This also checks that the copy can be opened.
  rocksdb::Options options = DatabaseOptions(false);
  options.create_if_missing = false;
  options.disable_auto_compactions = true;
  LAYERNAS_ASSIGN_OR_RETURN(const auto copy, OpenDatabase(directory, options, false));
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return CopyStatus(copy->db->Put(synced, copy->families[kMeta], kUnusedCopyKey, "1"), directory);
}

absl::Status RocksStore::VerifyFiles() const { return ToStatus(db().VerifyChecksum(rocksdb::ReadOptions())); }

absl::Status RocksStore::Scan(Family family, const std::string& begin, const std::string& end,
                              const Visit& visit) const {
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> iterator(db().NewIterator(options, database_->families[family]));
  for (iterator->Seek(begin); iterator->Valid(); iterator->Next()) {
    LAYERNAS_ASSIGN_OR_RETURN(const bool go_on, visit(View(iterator->key()), View(iterator->value())));
    if (!go_on) return absl::OkStatus();
  }
  return ToStatus(iterator->status());
}

absl::StatusOr<std::optional<std::string>> RocksStore::LastKeyUpTo(Family family, const std::string& key) const {
  const std::unique_ptr<rocksdb::Iterator> iterator(
      db().NewIterator(rocksdb::ReadOptions(), database_->families[family]));
  iterator->SeekForPrev(key);
  LAYERNAS_RETURN_IF_ERROR(ToStatus(iterator->status()));
  if (!iterator->Valid()) return std::optional<std::string>();
  return std::optional<std::string>(iterator->key().ToString());
}

absl::StatusOr<std::optional<std::uint64_t>> RocksStore::ReadMeta(const char* key) const {
  return database_->ReadMeta(key);
}

}  // namespace layernas::storage
