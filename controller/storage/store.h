// The controller's state on disk. What is stored, and how it is read, is the same for every store.
// The implementations keep the bytes: RocksStore (rocks_store.h) in a directory, MemoryStore
// (memory_store.h) in memory for simulations.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/storage/batch.h"
#include "controller/storage/families.h"
#include "controller/storage/keys.h"
#include "controller/storage/records.h"

namespace layernas::storage {

// Version of the records and keys on disk. An older version is migrated when the store is opened; a
// newer one is refused.
inline constexpr int kSchemaVersion = 5;

// Adds the data directory and what to do to a DATA_LOSS error that does not name the directory.
// Returns any other status unchanged.
absl::Status NameDataDirectory(const absl::Status& status, const std::string& directory);

struct LoadedSearch {
  StoredSearch search;
  // By number, without gaps.
  std::deque<core::Candidate> candidates;
  // Sequence number of the latest change; 0 if there is none.
  std::uint64_t sequence = 0;
};

struct CandidateRows {
  std::vector<core::Candidate> candidates;
  // The number after which to continue reading; none at the end.
  std::optional<std::uint64_t> next;
};

// A store is open in one process at a time. In this process one thread writes and any threads read.
// Reads see committed data.
class Store {
 public:
  // Opens the store in a directory; creates the directory and the store if they are missing.
  // Returns FAILED_PRECONDITION if another process holds it or a newer schema wrote it, and
  // DATA_LOSS if it is damaged; the messages say what to do. A store made by CopyTo() begins its
  // own history here: see BeginHistory().
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& directory);
  // Like Open(), for a store that is DATA_LOSS because a power cut damaged its log. Drops
  // everything written after the damage, even if it was synced, and begins a new history.
  static absl::StatusOr<std::unique_ptr<Store>> OpenWithoutDamagedLog(const std::string& directory);
  // Opens a store for reading only. Returns NOT_FOUND if there is no store. Returns
  // FAILED_PRECONDITION if another process holds it: the reader would miss the files that this
  // process removes.
  static absl::StatusOr<std::unique_ptr<Store>> OpenReadOnly(const std::string& directory);
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Commits the batches in order. All are durable (synced to the disk) when it returns OK. After an
  // error the store must be opened again: it may contain some of the batches.
  virtual absl::Status Commit(std::vector<Batch> batches) = 0;
  absl::Status Commit(Batch batch);
  // Frees the disk space of a search after its deletion was committed. This takes seconds if it is
  // a lot; other calls continue meanwhile. After StopReclaiming() it returns OK early.
  virtual absl::Status Reclaim(std::uint64_t search) = 0;
  // Ends the current Reclaim() and all later ones.
  virtual void StopReclaiming() = 0;
  struct Figures {
    // Bytes of the table files, of the write buffers and caches, and of what must still be
    // compacted.
    std::uint64_t table_bytes = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t compaction_pending_bytes = 0;
    // Free bytes of its file system; 0 if unknown.
    std::uint64_t free_bytes = 0;
  };
  // Cheap enough to call once a second.
  virtual Figures MeasureFigures() const = 0;
  // Returns the number of syncs to the disk since the store was opened.
  virtual std::uint64_t syncs() const = 0;

  // Copies everything committed before the call into `directory`, which must not exist; reads and
  // writes may continue meanwhile. The copy is durable when it returns OK. On the same disk, the
  // copy shares the files that never change. Each store that is opened on the copy begins its own
  // history, and so does one opened on an unopened copy of the copy's directory.
  virtual absl::Status CopyTo(const std::string& directory) const = 0;

  // Reads every file; returns DATA_LOSS if one was changed after it was written.
  virtual absl::Status VerifyFiles() const = 0;

  absl::StatusOr<std::uint64_t> NextSearchId() const;
  // Returns what the last Batch::PutStoreTime() put; nothing: an older version wrote the store.
  absl::StatusOr<std::optional<StoreTime>> LastStoreTime() const;
  // Returns a random number, never 0, that distinguishes the history of this store from all others.
  absl::StatusOr<std::uint64_t> Lineage() const;
  // Returns the number that the changes of a new search start after; see BeginHistory().
  absl::StatusOr<std::uint64_t> ChangesBase() const;
  absl::StatusOr<std::vector<LoadedSearch>> LoadSearches() const;
  // Returns candidates with higher numbers than `after` in one of `states` (empty: any), ascending.
  // Returns at most `limit` of at most `max_scanned` candidates read, and stops early if they take
  // too much memory.
  absl::StatusOr<CandidateRows> ReadCandidates(std::uint64_t search, std::uint64_t after, std::size_t limit,
                                               const std::set<core::CandidateState>& states = {},
                                               std::size_t max_scanned = std::numeric_limits<std::size_t>::max()) const;
  // Returns at most `limit` changes with higher sequence numbers than `after`, without gaps: they
  // end before a jump, and the next call begins after it. The first number is above after + 1 if
  // the changes between are no longer kept, or if a new history began there. A reader must then
  // read the current state instead.
  absl::StatusOr<std::vector<StoredChange>> ReadChanges(std::uint64_t search, std::uint64_t after,
                                                        std::size_t limit) const;
  // All stored buckets of a search, in key order.
  absl::StatusOr<std::vector<std::pair<TableKey, std::vector<StoredBucketEntry>>>> ReadBuckets(
      std::uint64_t search) const;
  // All stored logs of a candidate, by attempt.
  absl::StatusOr<std::map<int, StoredLog>> ReadLogs(std::uint64_t search, std::uint64_t candidate) const;

 protected:
  Store() = default;

  // Returns whether to continue.
  using Visit = std::function<absl::StatusOr<bool>(std::string_view key, std::string_view value)>;
  // Calls `visit` for the records of `family` from `begin` (inclusive) to `end` (exclusive),
  // ascending, while it returns true. `visit` must not call the store.
  virtual absl::Status Scan(Family family, const std::string& begin, const std::string& end,
                            const Visit& visit) const = 0;
  // Returns the last key of `family` that is not after `key`, or none.
  virtual absl::StatusOr<std::optional<std::string>> LastKeyUpTo(Family family, const std::string& key) const = 0;
  // Returns a number of kMeta, or none if the key does not exist.
  virtual absl::StatusOr<std::optional<std::uint64_t>> ReadMeta(const char* key) const = 0;

  // Returns the contents of a new store of this version.
  static Batch NewStore(std::uint64_t lineage);
  // Returns the changes that separate the history of this store from that of the store it was
  // copied from, because the two continue differently. They set a new lineage, so this store does
  // not accept lease tokens of the other history. They also add one change to each search, at a
  // sequence number at least 2^32 above the last one. So a watcher of the other history sees a gap
  // and does not continue with changes that do not match what it has seen. ChangesBase() jumps as
  // far, because the other history may have a search with the same number as a new one here.
  absl::StatusOr<Batch> BeginHistory(std::uint64_t lineage) const;

 private:
  // Returns the sequence number of the latest change of a search; 0 if there is none.
  absl::StatusOr<std::uint64_t> LastSequence(std::uint64_t search) const;
};

}  // namespace layernas::storage
