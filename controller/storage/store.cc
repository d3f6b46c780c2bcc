#include "controller/storage/store.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "controller/storage/meta.h"

namespace layernas::storage {
namespace {

// Maximum bytes of encoded candidates per read.
constexpr std::size_t kMaxRowBytes = 8 << 20;

// Returns where the numbers above `after` begin; nothing if there cannot be any.
std::optional<std::string> KeyAfter(std::uint64_t search, std::uint64_t after) {
  if (after == std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
  return EncodeKey(search, after + 1);
}

absl::StatusOr<StoredSearch> ReadSearch(std::string_view key, std::string_view value) {
  absl::StatusOr<StoredSearch> search = DecodeSearch(value);
  if (search.ok()) return search;
  // Searches are named searches/NAME-NUMBER.
  return absl::Status(search.status().code(), absl::StrCat("search number ", DecodeSearchKey(key).value_or(0), ": ",
                                                           search.status().message()));
}

}  // namespace

absl::Status NameDataDirectory(const absl::Status& status, const std::string& directory) {
  if (status.code() != absl::StatusCode::kDataLoss || absl::StrContains(status.message(), directory)) return status;
  return absl::DataLossError(absl::StrCat("the data directory ", directory, " is damaged (", status.message(),
                                          "); restore it from a backup or choose another --data-dir"));
}

absl::Status Store::Commit(Batch batch) {
  std::vector<Batch> batches;
  batches.push_back(std::move(batch));
  return Commit(std::move(batches));
}

Batch Store::NewStore(std::uint64_t lineage) {
  Batch batch;
  batch.PutMeta(kSchemaVersionKey, kSchemaVersion);
  batch.PutMeta(kLineageKey, lineage);
  return batch;
}

absl::StatusOr<Batch> Store::BeginHistory(std::uint64_t lineage) const {
  Batch batch;
  batch.PutMeta(kLineageKey, lineage);
  batch.PutMeta(kUnusedCopyKey, 0);
  // Contains part of the lineage, so that two stores restored from one backup do not use the same
  // numbers.
  const std::uint64_t jump = (std::uint64_t{1} << 32) + (lineage & 0xffff'ffff);
  batch.PutMeta(kChangesBaseKey, jump);
  std::vector<StoredSearch> searches;
  LAYERNAS_RETURN_IF_ERROR(Scan(kSearches, "", EncodeKey(std::numeric_limits<std::uint64_t>::max()),
                                [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                                  LAYERNAS_ASSIGN_OR_RETURN(searches.emplace_back(), ReadSearch(key, value));
                                  return true;
                                }));
  for (const StoredSearch& search : searches) {
    LAYERNAS_ASSIGN_OR_RETURN(const std::uint64_t last, LastSequence(search.id));
    UnixMillis time = search.created;
    if (last > 0) {
      LAYERNAS_ASSIGN_OR_RETURN(const std::vector<StoredChange> latest, ReadChanges(search.id, last - 1, 1));
      if (!latest.empty()) time = latest.front().time;
    }
    batch.PutChange(search.id, {last + jump, time, std::nullopt});
  }
  return batch;
}

absl::StatusOr<std::uint64_t> Store::LastSequence(std::uint64_t search) const {
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::string> last,
                            LastKeyUpTo(kChanges, EncodeKey(search, std::numeric_limits<std::uint64_t>::max())));
  if (!last) return 0;
  const auto key = DecodeNumberKey(*last);
  return key && key->first == search ? key->second : 0;
}

absl::StatusOr<std::uint64_t> Store::NextSearchId() const {
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> id, ReadMeta(kNextSearchIdKey));
  return id.value_or(1);
}

absl::StatusOr<std::optional<StoreTime>> Store::LastStoreTime() const {
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> time, ReadMeta(kStoreTimeKey));
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> ahead, ReadMeta(kMachineAheadKey));
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> most, ReadMeta(kMachineMostAheadKey));
  if (!time || !ahead || !most) return std::optional<StoreTime>();
  const auto millis = [](std::uint64_t stored) { return Millis{static_cast<Millis::rep>(stored)}; };
  return std::optional(StoreTime{static_cast<UnixMillis>(*time), millis(*ahead), millis(*most)});
}

absl::StatusOr<std::uint64_t> Store::Lineage() const {
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> lineage, ReadMeta(kLineageKey));
  if (!lineage) return absl::DataLossError("the data directory has no lineage; restore it from a backup");
  return *lineage;
}

absl::StatusOr<std::uint64_t> Store::ChangesBase() const {
  LAYERNAS_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> base, ReadMeta(kChangesBaseKey));
  return base.value_or(0);
}

absl::StatusOr<std::vector<LoadedSearch>> Store::LoadSearches() const {
  std::vector<LoadedSearch> loaded;
  const std::string last = EncodeKey(std::numeric_limits<std::uint64_t>::max());
  LAYERNAS_RETURN_IF_ERROR(
      Scan(kSearches, "", last, [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
        LAYERNAS_ASSIGN_OR_RETURN(loaded.emplace_back().search, ReadSearch(key, value));
        return true;
      }));
  for (LoadedSearch& one : loaded) {
    const std::uint64_t id = one.search.id;
    LAYERNAS_RETURN_IF_ERROR(Scan(kCandidates, EncodeKey(id), EncodeKey(id + 1),
                                  [&](std::string_view, std::string_view value) -> absl::StatusOr<bool> {
                                    absl::StatusOr<core::Candidate> read = DecodeCandidate(value);
                                    if (!read.ok()) {
                                      return absl::Status(
                                          read.status().code(),
                                          absl::StrCat("candidate ", one.candidates.size() + 1, " of search number ",
                                                       id, ": ", read.status().message()));
                                    }
                                    core::Candidate candidate = *std::move(read);
                                    if (candidate.number != one.candidates.size() + 1) {
                                      return absl::DataLossError(absl::StrCat("candidate ", one.candidates.size() + 1,
                                                                              " of search ", id, " is missing"));
                                    }
                                    if (!one.candidates.empty()) {
                                      candidate.metrics.ShareNames(one.candidates.back().metrics);
                                    }
                                    one.candidates.push_back(std::move(candidate));
                                    return true;
                                  }));
    LAYERNAS_ASSIGN_OR_RETURN(one.sequence, LastSequence(id));
  }
  return loaded;
}

absl::StatusOr<CandidateRows> Store::ReadCandidates(std::uint64_t search, std::uint64_t after, std::size_t limit,
                                                    const std::set<core::CandidateState>& states,
                                                    std::size_t max_scanned) const {
  CandidateRows rows;
  const std::optional<std::string> begin = KeyAfter(search, after);
  if (!begin || limit == 0) return rows;
  std::uint64_t last = after;
  std::size_t scanned = 0;
  std::size_t bytes = 0;
  LAYERNAS_RETURN_IF_ERROR(
      Scan(kCandidates, *begin, EncodeKey(search + 1),
           [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
             if (rows.candidates.size() == limit || scanned == max_scanned || bytes > kMaxRowBytes) {
               rows.next = last;
               return false;
             }
             ++scanned;
             if (!states.empty()) {
               LAYERNAS_ASSIGN_OR_RETURN(const core::CandidateState state, DecodeCandidateState(value));
               const auto decoded = DecodeNumberKey(key);
               if (!decoded) return absl::DataLossError("a stored candidate key has the wrong length");
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
  LAYERNAS_RETURN_IF_ERROR(Scan(kChanges, *begin, EncodeKey(search + 1),
                                [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                                  const auto decoded = DecodeNumberKey(key);
                                  if (!decoded) return absl::DataLossError("a stored change key has the wrong length");
                                  if (!changes.empty() && decoded->second != changes.back().sequence + 1) return false;
                                  LAYERNAS_ASSIGN_OR_RETURN(changes.emplace_back(),
                                                            DecodeChange(decoded->second, value));
                                  return changes.size() < limit;
                                }));
  return changes;
}

absl::StatusOr<std::vector<std::pair<TableKey, std::vector<StoredBucketEntry>>>> Store::ReadBuckets(
    std::uint64_t search) const {
  std::vector<std::pair<TableKey, std::vector<StoredBucketEntry>>> buckets;
  LAYERNAS_RETURN_IF_ERROR(Scan(kBuckets, EncodeKey(search), EncodeKey(search + 1),
                                [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                                  const auto decoded = DecodeTableKey(key);
                                  if (!decoded) return absl::DataLossError("a stored bucket key has the wrong length");
                                  LAYERNAS_ASSIGN_OR_RETURN(auto bucket, DecodeBucket(value));
                                  buckets.emplace_back(*decoded, std::move(bucket));
                                  return true;
                                }));
  return buckets;
}

absl::StatusOr<std::map<int, StoredLog>> Store::ReadLogs(std::uint64_t search, std::uint64_t candidate) const {
  std::map<int, StoredLog> logs;
  LAYERNAS_RETURN_IF_ERROR(Scan(kLogs, EncodeKey(LogKey{search, candidate, 0}),
                                EncodeKey(LogKey{search, candidate, std::numeric_limits<std::uint32_t>::max()}),
                                [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
                                  const auto decoded = DecodeLogKey(key);
                                  if (!decoded) return absl::DataLossError("a stored log key has the wrong length");
                                  LAYERNAS_ASSIGN_OR_RETURN(logs[static_cast<int>(decoded->attempt)], DecodeLog(value));
                                  return true;
                                }));
  return logs;
}

}  // namespace layernas::storage
