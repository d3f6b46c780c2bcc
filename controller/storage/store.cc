#include "controller/storage/store.h"

#include <fcntl.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/base/crash_point.h"
#include "common/base/status_macros.h"
#include "controller/storage/database.h"
#include "controller/storage/migrations.h"

namespace layernas::storage {
namespace {

// Families whose keys begin with a search's id.
constexpr std::array kFamiliesOfASearch = {kSearches, kCandidates, kBuckets, kChanges, kLogs};
// Encoded candidates that are read in one go.
constexpr std::size_t kMostRowBytes = 8 << 20;

std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Whether another process has RocksDB's lock.
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
  return absl::NotFoundError(absl::StrCat("there is no controller's data in ", directory));
}

// Where the numbers above `after` begin; nothing if there can be none.
std::optional<std::string> KeyAfter(std::uint64_t search, std::uint64_t after) {
  if (after == std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  return EncodeKey(search, after + 1);
}

rocksdb::Options DatabaseOptions(bool read_only) {
  rocksdb::Options options;
  options.create_if_missing = !read_only;
  options.create_missing_column_families = !read_only;
  // The default mode stops quietly before a corrupt record in the middle of the log, and so could drop results that
  // were acknowledged. This one accepts a torn tail (never acknowledged) and refuses anything else.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.max_open_files = 512;
  options.max_total_wal_size = 256 << 20;
  // Spread over the time of writing, lest a large file that is done holds a synced write up.
  options.bytes_per_sync = 1 << 20;
  // What lies in the first levels does not lie there for long.
  options.compression_per_level = {rocksdb::kNoCompression, rocksdb::kNoCompression, rocksdb::kSnappyCompression};
  options.info_log = MakeDatabaseLogger();
  options.info_log_level = rocksdb::InfoLogLevel::ERROR_LEVEL;
  return options;
}

}  // namespace

struct Store::Impl : Database {
  std::atomic<bool> reclaiming_stopped = false;

  static absl::StatusOr<std::unique_ptr<Impl>> Open(const std::string& directory, const rocksdb::Options& options,
                                                    bool read_only) {
    std::vector<std::string> names(kFamilyNames.begin(), kFamilyNames.end());
    std::vector<std::string> present;
    // Where nothing can be listed there is nothing yet, or Open says what is wrong with it.
    rocksdb::DB::ListColumnFamilies(options, directory, &present).PermitUncheckedError();
    // A newer version may have added some; they must be opened too before its schema version can be read.
    for (const std::string& name : present) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    if (read_only && options.env->FileExists(directory + "/CURRENT").IsNotFound()) return NothingIn(directory);
    // An older version has not all of them: the last ones are missing. A look makes none; it finds the schema version.
    if (read_only) {
      std::erase_if(names, [&present](const std::string& name) {
        return std::find(present.begin(), present.end(), name) == present.end();
      });
    }
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    descriptors.reserve(names.size());
    for (const std::string& name : names) descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions(options));

    auto impl = std::make_unique<Impl>();
    impl->directory = directory;
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status =
        read_only ? rocksdb::DB::OpenForReadOnly(options, directory, descriptors, &impl->families, &db)
                  : rocksdb::DB::Open(options, directory, descriptors, &impl->families, &db);
    LAYERNAS_RETURN_IF_ERROR(ToStatus(status, directory));
    impl->db.reset(db);
    return impl;
  }

  // A number that no other has.
  absl::Status BeginLineage() const {
    std::random_device device;
    const std::uint64_t lineage = (std::uint64_t{device()} << 32 | device()) | 1;
    rocksdb::WriteOptions synced;
    synced.sync = true;
    return ToStatus(db->Put(synced, families[kMeta], kLineageKey, std::to_string(lineage)), directory);
  }

  // Calls `visit` for the records of `family` from `begin` (inclusive) to `end` (exclusive) while it returns true.
  absl::Status Scan(
      Family family, const std::string& begin, const std::string& end,
      const std::function<absl::StatusOr<bool>(std::string_view key, std::string_view value)>& visit) const {
    const rocksdb::Slice upper(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> iterator(db->NewIterator(options, families[family]));
    for (iterator->Seek(begin); iterator->Valid(); iterator->Next()) {
      LAYERNAS_ASSIGN_OR_RETURN(const bool go_on, visit(View(iterator->key()), View(iterator->value())));
      if (!go_on) return absl::OkStatus();
    }
    return ToStatus(iterator->status(), directory);
  }
};

Batch::Batch(const Store& store) : store_(&store), batch_(std::make_unique<rocksdb::WriteBatch>()) {}
Batch::~Batch() = default;
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;

// Writing to a batch in memory can't fail.
void Batch::PutNextSearchId(std::uint64_t id) {
  batch_->Put(store_->impl_->families[kMeta], kNextSearchIdKey, std::to_string(id)).PermitUncheckedError();
}

void Batch::PutSearch(const StoredSearch& search) {
  batch_->Put(store_->impl_->families[kSearches], EncodeKey(search.id), Encode(search)).PermitUncheckedError();
}

void Batch::PutCandidate(std::uint64_t search, const core::Candidate& candidate) {
  batch_->Put(store_->impl_->families[kCandidates], EncodeKey(search, candidate.number), Encode(candidate))
      .PermitUncheckedError();
}

void Batch::PutBucket(const TableKey& key, const std::vector<StoredBucketEntry>& bucket) {
  batch_->Put(store_->impl_->families[kBuckets], EncodeKey(key), Encode(bucket)).PermitUncheckedError();
}

void Batch::PutChange(std::uint64_t search, const StoredChange& change) {
  batch_->Put(store_->impl_->families[kChanges], EncodeKey(search, change.sequence), Encode(change))
      .PermitUncheckedError();
}

void Batch::PutChangedCandidate(std::uint64_t search, const core::Candidate& candidate, std::uint64_t sequence,
                                UnixMillis time) {
  EncodeTo(candidate_bytes_, candidate);
  EncodeChangeTo(change_bytes_, time, candidate_bytes_);
  batch_->Put(store_->impl_->families[kCandidates], EncodeKey(search, candidate.number), candidate_bytes_)
      .PermitUncheckedError();
  batch_->Put(store_->impl_->families[kChanges], EncodeKey(search, sequence), change_bytes_).PermitUncheckedError();
}

void Batch::TrimChanges(std::uint64_t search, std::uint64_t sequence) {
  batch_->DeleteRange(store_->impl_->families[kChanges], EncodeKey(search, 0), EncodeKey(search, sequence))
      .PermitUncheckedError();
}

void Batch::PutLog(const LogKey& key, const StoredLog& log) {
  batch_->Put(store_->impl_->families[kLogs], EncodeKey(key), Encode(log)).PermitUncheckedError();
}

void Batch::DeleteLogs(const LogKey& begin, const LogKey& end) {
  batch_->DeleteRange(store_->impl_->families[kLogs], EncodeKey(begin), EncodeKey(end)).PermitUncheckedError();
}

void Batch::DeleteSearch(std::uint64_t search) {
  const std::string begin = EncodeKey(search);
  const std::string end = EncodeKey(search + 1);
  for (const Family family : kFamiliesOfASearch) {
    batch_->DeleteRange(store_->impl_->families[family], begin, end).PermitUncheckedError();
  }
}

bool Batch::empty() const { return batch_->Count() == 0; }

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& directory) { return Open(directory, false); }

absl::StatusOr<std::unique_ptr<Store>> Store::OpenReadOnly(const std::string& directory) {
  if (IsHeldElsewhere(directory)) {
    return absl::FailedPreconditionError(
        absl::StrCat("a controller runs on the data directory ", directory,
                     ", and changes it all the time; stop it first, or look at a backup"));
  }
  return Open(directory, true);
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& directory, bool read_only) {
  LAYERNAS_ASSIGN_OR_RETURN(auto impl, Impl::Open(directory, DatabaseOptions(read_only), read_only));
  std::unique_ptr<Store> store(new Store(std::move(impl)));
  LAYERNAS_RETURN_IF_ERROR(store->CheckSchema(read_only));
  return store;
}

absl::StatusOr<std::unique_ptr<Store>> Store::OpenWithoutDamagedLog(const std::string& directory) {
  rocksdb::Options options = DatabaseOptions(false);
  options.create_if_missing = false;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  LAYERNAS_ASSIGN_OR_RETURN(auto impl, Impl::Open(directory, options, false));
  std::unique_ptr<Store> store(new Store(std::move(impl)));
  LAYERNAS_RETURN_IF_ERROR(store->CheckSchema(false));
  LAYERNAS_RETURN_IF_ERROR(store->impl_->BeginLineage());
  return store;
}

absl::Status Store::CheckSchema(bool read_only) {
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> version, impl_->ReadMeta(kSchemaVersionKey));
  if (!version) {
    if (read_only) return NothingIn(impl_->directory);
    rocksdb::WriteBatch batch;
    CrashPoint("before-schema");
    batch.Put(impl_->families[kMeta], kSchemaVersionKey, std::to_string(kSchemaVersion)).PermitUncheckedError();
    batch.Put(impl_->families[kMeta], kLineageKey, "0").PermitUncheckedError();
    rocksdb::WriteOptions options;
    options.sync = true;
    return ToStatus(impl_->db->Write(options, &batch), impl_->directory);
  }
  if (*version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the data directory ", impl_->directory, " was written by a newer version of layernas (schema ",
                     *version, ", this one knows ", kSchemaVersion, "); upgrade layernas-controller"));
  }
  if (*version == kSchemaVersion) return absl::OkStatus();
  if (read_only) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the data directory ", impl_->directory, " was written by an older version of layernas (schema ", *version,
        ", this one is at ", kSchemaVersion, "); start layernas-controller on it once, which brings it up to date"));
  }
  return Migrate(*impl_, *version);
}

absl::Status Store::Commit(std::vector<Batch> batches) {
  for (Batch& batch : batches) {
    rocksdb::WriteOptions options;
    // Survives power loss, not only the death of the process. The last one takes those before it along.
    options.sync = &batch == &batches.back();
    if (options.sync && batches.size() > 1) CrashPoint("before-sync");
    LAYERNAS_RETURN_IF_ERROR(ToStatus(impl_->db->Write(options, batch.batch_.get()), impl_->directory));
  }
  return absl::OkStatus();
}

absl::Status Store::Commit(Batch batch) {
  std::vector<Batch> batches;
  batches.push_back(std::move(batch));
  return Commit(std::move(batches));
}

absl::Status Store::Reclaim(std::uint64_t search) {
  if (impl_->reclaiming_stopped) return absl::OkStatus();
  const std::string begin_key = EncodeKey(search);
  const std::string end_key = EncodeKey(search + 1);
  const rocksdb::Slice begin(begin_key);
  const rocksdb::Slice end(end_key);
  // All families, for the log that holds the records too is only let go of once each of them is in a file.
  LAYERNAS_RETURN_IF_ERROR(ToStatus(impl_->db->Flush(rocksdb::FlushOptions(), impl_->families), impl_->directory));
  for (const Family family : kFamiliesOfASearch) {
    rocksdb::ColumnFamilyHandle* handle = impl_->families[family];
    // What lies in files of its own need not be read once more.
    LAYERNAS_RETURN_IF_ERROR(ToStatus(
        rocksdb::DeleteFilesInRange(impl_->db.get(), handle, &begin, &end, /*include_end=*/false), impl_->directory));
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    options.canceled = &impl_->reclaiming_stopped;
    const rocksdb::Status status = impl_->db->CompactRange(options, handle, &begin, &end);
    if (impl_->reclaiming_stopped) return absl::OkStatus();
    LAYERNAS_RETURN_IF_ERROR(ToStatus(status, impl_->directory));
  }
  return absl::OkStatus();
}

void Store::StopReclaiming() { impl_->reclaiming_stopped = true; }

std::uint64_t Store::syncs() const {
  std::map<std::string, std::string> stats;
  if (!impl_->db->GetMapProperty(rocksdb::DB::Properties::kDBStats, &stats)) return 0;
  return ParseNumber(stats["db.wal_syncs"]).value_or(0);
}

Store::Figures Store::MeasureFigures() const {
  const auto sum = [this](const std::string& property) {
    std::uint64_t value = 0;
    return impl_->db->GetAggregatedIntProperty(property, &value) ? value : 0;
  };
  using Properties = rocksdb::DB::Properties;
  Figures figures;
  figures.table_bytes = sum(Properties::kTotalSstFilesSize);
  figures.memory_bytes = sum(Properties::kCurSizeAllMemTables) + sum(Properties::kEstimateTableReadersMem);
  figures.compaction_pending_bytes = sum(Properties::kEstimatePendingCompactionBytes);
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(impl_->directory, error);
  if (!error) figures.free_bytes = space.available;
  return figures;
}

absl::Status Store::CopyTo(const std::string& directory) const {
  rocksdb::Checkpoint* raw = nullptr;
  LAYERNAS_RETURN_IF_ERROR(ToStatus(rocksdb::Checkpoint::Create(impl_->db.get(), &raw), impl_->directory));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  LAYERNAS_RETURN_IF_ERROR(ToStatus(checkpoint->CreateCheckpoint(directory), directory));
  // Also proves that it can be opened.
  rocksdb::Options options = DatabaseOptions(false);
  options.create_if_missing = false;
  options.disable_auto_compactions = true;
  LAYERNAS_ASSIGN_OR_RETURN(const auto copy, Impl::Open(directory, options, false));
  return copy->BeginLineage();
}

absl::StatusOr<std::uint64_t> Store::Lineage() const {
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> lineage, impl_->ReadMeta(kLineageKey));
  if (!lineage) return absl::DataLossError(absl::StrCat("the data directory ", impl_->directory, " has no lineage"));
  return *lineage;
}

absl::Status Store::VerifyFiles() const {
  return ToStatus(impl_->db->VerifyChecksum(rocksdb::ReadOptions()), impl_->directory);
}

absl::StatusOr<std::uint64_t> Store::NextSearchId() const {
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> id, impl_->ReadMeta(kNextSearchIdKey));
  return id.value_or(1);
}

absl::StatusOr<std::vector<LoadedSearch>> Store::LoadSearches() const {
  std::vector<LoadedSearch> loaded;
  const std::string last = EncodeKey(std::numeric_limits<std::uint64_t>::max());
  LAYERNAS_RETURN_IF_ERROR(
      impl_->Scan(kSearches, "", last, [&](std::string_view, std::string_view value) -> absl::StatusOr<bool> {
        LAYERNAS_ASSIGN_OR_RETURN(loaded.emplace_back().search, DecodeSearch(value));
        return true;
      }));
  for (LoadedSearch& one : loaded) {
    const std::uint64_t id = one.search.id;
    LAYERNAS_RETURN_IF_ERROR(impl_->Scan(kCandidates, EncodeKey(id), EncodeKey(id + 1),
                                         [&](std::string_view, std::string_view value) -> absl::StatusOr<bool> {
                                           LAYERNAS_ASSIGN_OR_RETURN(core::Candidate candidate, DecodeCandidate(value));
                                           if (candidate.number != one.candidates.size() + 1) {
                                             return absl::DataLossError(absl::StrCat("candidate ",
                                                                                     one.candidates.size() + 1,
                                                                                     " of search ", id, " is missing"));
                                           }
                                           if (!one.candidates.empty()) {
                                             candidate.metrics.ShareNames(one.candidates.back().metrics);
                                           }
                                           one.candidates.push_back(std::move(candidate));
                                           return true;
                                         }));
    const std::unique_ptr<rocksdb::Iterator> changes(
        impl_->db->NewIterator(rocksdb::ReadOptions(), impl_->families[kChanges]));
    changes->SeekForPrev(EncodeKey(id, std::numeric_limits<std::uint64_t>::max()));
    LAYERNAS_RETURN_IF_ERROR(ToStatus(changes->status(), impl_->directory));
    if (changes->Valid()) {
      const auto key = DecodeNumberKey(View(changes->key()));
      if (key && key->first == id) one.sequence = key->second;
    }
  }
  return loaded;
}

absl::StatusOr<CandidateRows> Store::ReadCandidates(std::uint64_t search, std::uint64_t after, std::size_t limit,
                                                    const std::set<core::CandidateState>& states,
                                                    std::size_t most_scanned) const {
  CandidateRows rows;
  const std::optional<std::string> begin = KeyAfter(search, after);
  if (!begin || limit == 0) return rows;
  std::uint64_t last = after;
  std::size_t scanned = 0;
  std::size_t bytes = 0;
  LAYERNAS_RETURN_IF_ERROR(
      impl_->Scan(kCandidates, *begin, EncodeKey(search + 1),
                  [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                    if (rows.candidates.size() == limit || scanned == most_scanned || bytes > kMostRowBytes) {
                      rows.next = last;
                      return false;
                    }
                    ++scanned;
                    if (!states.empty()) {
                      LAYERNAS_ASSIGN_OR_RETURN(const core::CandidateState state, DecodeCandidateState(value));
                      const auto decoded = DecodeNumberKey(key);
                      if (!decoded) return absl::DataLossError("a key of the candidates has the wrong length");
                      last = decoded->second;
                      if (!states.contains(state)) return true;
                    }
                    LAYERNAS_ASSIGN_OR_RETURN(rows.candidates.emplace_back(), DecodeCandidate(value));
                    last = rows.candidates.back().number;
                    bytes += value.size();
                    return true;
                  }));
  return rows;
}

absl::StatusOr<std::vector<StoredChange>> Store::ReadChanges(std::uint64_t search, std::uint64_t after,
                                                             std::size_t limit) const {
  std::vector<StoredChange> changes;
  const std::optional<std::string> begin = KeyAfter(search, after);
  if (!begin || limit == 0) return changes;
  LAYERNAS_RETURN_IF_ERROR(
      impl_->Scan(kChanges, *begin, EncodeKey(search + 1),
                  [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                    const auto decoded = DecodeNumberKey(key);
                    if (!decoded) return absl::DataLossError("a key in the feed of changes has the wrong length");
                    LAYERNAS_ASSIGN_OR_RETURN(changes.emplace_back(), DecodeChange(decoded->second, value));
                    return changes.size() < limit;
                  }));
  return changes;
}

absl::StatusOr<std::vector<std::pair<TableKey, std::vector<StoredBucketEntry>>>> Store::ReadBuckets(
    std::uint64_t search) const {
  std::vector<std::pair<TableKey, std::vector<StoredBucketEntry>>> buckets;
  LAYERNAS_RETURN_IF_ERROR(impl_->Scan(kBuckets, EncodeKey(search), EncodeKey(search + 1),
                                       [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                                         const auto decoded = DecodeTableKey(key);
                                         if (!decoded)
                                           return absl::DataLossError("a key of the buckets has the wrong length");
                                         LAYERNAS_ASSIGN_OR_RETURN(auto bucket, DecodeBucket(value));
                                         buckets.emplace_back(*decoded, std::move(bucket));
                                         return true;
                                       }));
  return buckets;
}

absl::StatusOr<std::map<int, StoredLog>> Store::ReadLogs(std::uint64_t search, std::uint64_t candidate) const {
  std::map<int, StoredLog> logs;
  LAYERNAS_RETURN_IF_ERROR(impl_->Scan(kLogs, EncodeKey(LogKey{search, candidate, 0}),
                                       EncodeKey(LogKey{search, candidate, std::numeric_limits<std::uint32_t>::max()}),
                                       [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                                         const auto decoded = DecodeLogKey(key);
                                         if (!decoded)
                                           return absl::DataLossError("a key of the logs has the wrong length");
                                         LAYERNAS_ASSIGN_OR_RETURN(logs[static_cast<int>(decoded->attempt)],
                                                                   DecodeLog(value));
                                         return true;
                                       }));
  return logs;
}

}  // namespace layernas::storage
