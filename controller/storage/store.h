// The controller's state in RocksDB.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/storage/keys.h"
#include "controller/storage/records.h"

namespace rocksdb {
class WriteBatch;
}  // namespace rocksdb

namespace layernas::storage {

// Of the records and keys on disk. An older one is migrated when it is opened, a newer one is refused.
inline constexpr int kSchemaVersion = 4;

struct LoadedSearch {
  StoredSearch search;
  // By number, without gaps.
  std::deque<core::Candidate> candidates;
  // Of its latest change; 0 if there is none.
  std::uint64_t sequence = 0;
};

struct CandidateRows {
  std::vector<core::Candidate> candidates;
  // The number after which to read on; none if nothing follows.
  std::optional<std::uint64_t> next;
};

class Store;

// Changes that become durable together. Not thread-safe.
class Batch {
 public:
  explicit Batch(const Store& store);
  ~Batch();
  Batch(Batch&&) noexcept;
  Batch& operator=(Batch&&) noexcept;

  void PutNextSearchId(std::uint64_t id);
  void PutSearch(const StoredSearch& search);
  void PutCandidate(std::uint64_t search, const core::Candidate& candidate);
  void PutBucket(const TableKey& key, const std::vector<StoredBucketEntry>& bucket);
  void PutChange(std::uint64_t search, const StoredChange& change);
  // The candidate and its entry in the feed of changes.
  void PutChangedCandidate(std::uint64_t search, const core::Candidate& candidate, std::uint64_t sequence,
                           UnixMillis time);
  // Forgets changes with sequence numbers below `sequence`.
  void TrimChanges(std::uint64_t search, std::uint64_t sequence);
  void PutLog(const LogKey& key, const StoredLog& log);
  // Forgets the logs from `begin` on, up to `end` and without that.
  void DeleteLogs(const LogKey& begin, const LogKey& end);
  // The search and everything that belongs to it.
  void DeleteSearch(std::uint64_t search);

  bool empty() const;

 private:
  friend class Store;
  const Store* store_;
  std::unique_ptr<rocksdb::WriteBatch> batch_;
  // Of the record that was put last: their memory is used again.
  std::string candidate_bytes_;
  std::string change_bytes_;
};

// One process at a time; within it, one thread writes, any threads read. Reads see what was committed.
class Store {
 public:
  // Makes the directory if there is none. FAILED_PRECONDITION if another process holds it or a newer schema wrote it;
  // DATA_LOSS if it is damaged; the messages say what to do.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& directory);
  // As Open, for one that is DATA_LOSS because a power cut damaged its log: what was written from the damage on is
  // dropped, also if it was synced. The store has a new lineage then.
  static absl::StatusOr<std::unique_ptr<Store>> OpenWithoutDamagedLog(const std::string& directory);
  // For a look that changes nothing; NOT_FOUND if there is no store, FAILED_PRECONDITION if another process holds it:
  // what it removes would be missed.
  static absl::StatusOr<std::unique_ptr<Store>> OpenReadOnly(const std::string& directory);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // In their order; all durable (synced to the disk) when it returns OK.
  absl::Status Commit(std::vector<Batch> batches);
  absl::Status Commit(Batch batch);
  // Gives the disk back what a search took, once its deletion was committed. Takes seconds where that is much; other
  // calls go on. Returns OK without having done it all once StopReclaiming() was called.
  absl::Status Reclaim(std::uint64_t search);
  // Now and for ever.
  void StopReclaiming();
  struct Figures {
    // Of the table files, the write buffers and caches, and what is still to be compacted.
    std::uint64_t table_bytes = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t compaction_pending_bytes = 0;
    // On the file system that it is on; 0 where that can't be told.
    std::uint64_t free_bytes = 0;
  };
  // Cheap enough for once a second.
  Figures MeasureFigures() const;
  // How often it was synced to the disk since it was opened, as the database counts it.
  std::uint64_t syncs() const;

  // Copies what was committed before the call into `directory`, which must not be there yet, while others go on reading
  // and writing; durable when it returns OK. On the same disk the files that never change are shared with the copy. The
  // copy has a lineage of its own.
  absl::Status CopyTo(const std::string& directory) const;

  // Reads every file; DATA_LOSS if one is not as it was written.
  absl::Status VerifyFiles() const;

  absl::StatusOr<std::uint64_t> NextSearchId() const;
  // What tells the history of this store from that of its copies, which goes on differently: 0, or a copy's number.
  absl::StatusOr<std::uint64_t> Lineage() const;
  absl::StatusOr<std::vector<LoadedSearch>> LoadSearches() const;
  // Candidates of higher number than `after` in one of `states` (none given: any), ascending: at most `limit` of them,
  // of at most `most_scanned` that are looked at, and only as many as do not take too much memory.
  absl::StatusOr<CandidateRows> ReadCandidates(
      std::uint64_t search, std::uint64_t after, std::size_t limit, const std::set<core::CandidateState>& states = {},
      std::size_t most_scanned = std::numeric_limits<std::size_t>::max()) const;
  // Changes of higher sequence number than `after`, ascending, at most `limit`. The first one's number is above after +
  // 1 where those between are no longer kept.
  absl::StatusOr<std::vector<StoredChange>> ReadChanges(std::uint64_t search, std::uint64_t after,
                                                        std::size_t limit) const;
  // All stored buckets of a search, in key order.
  absl::StatusOr<std::vector<std::pair<TableKey, std::vector<StoredBucketEntry>>>> ReadBuckets(
      std::uint64_t search) const;
  // All stored logs of a candidate, by attempt.
  absl::StatusOr<std::map<int, StoredLog>> ReadLogs(std::uint64_t search, std::uint64_t candidate) const;

 private:
  friend class Batch;
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& directory, bool read_only);
  absl::Status CheckSchema(bool read_only);

  std::unique_ptr<Impl> impl_;
};

}  // namespace layernas::storage
