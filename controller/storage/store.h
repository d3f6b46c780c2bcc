// The state of the controller on disk. What is stored, and how it is read back, is the same for every store; where the
// bytes are is up to the implementation: RocksStore (rocks_store.h), or MemoryStore (memory_store.h) in simulations.
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

// Of the records and keys on disk. An older one is migrated when it is opened, a newer one is refused.
inline constexpr int kSchemaVersion = 5;

struct LoadedSearch {
  StoredSearch search;
  // By number, without gaps.
  std::deque<core::Candidate> candidates;
  // Sequence number of its latest change; 0 if there is none.
  std::uint64_t sequence = 0;
};

struct CandidateRows {
  std::vector<core::Candidate> candidates;
  // The number after which to read on; none if nothing follows.
  std::optional<std::uint64_t> next;
};

// A store is open in one process at a time; within it, one thread writes and any threads read. Reads see what was
// committed.
class Store {
 public:
  // Opens the store in a directory; creates the directory and the store if missing. FAILED_PRECONDITION if another
  // process holds it or a newer schema wrote it; DATA_LOSS if it is damaged; the messages say what to do. A store that
  // was made by CopyTo() begins a history of its own here: see BeginHistory().
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& directory);
  // As Open, for a store that is DATA_LOSS because a power cut damaged its log: drops what was written from the damage
  // on, even if it was synced, and begins a new history.
  static absl::StatusOr<std::unique_ptr<Store>> OpenWithoutDamagedLog(const std::string& directory);
  // For a look that changes nothing; NOT_FOUND if there is no store, FAILED_PRECONDITION if another process holds it:
  // the reader would miss the files that the other process removes.
  static absl::StatusOr<std::unique_ptr<Store>> OpenReadOnly(const std::string& directory);
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Commits the batches in their order; all are durable (synced to the disk) when it returns OK. After an error the
  // store must be opened again: some of the batches may be in it.
  virtual absl::Status Commit(std::vector<Batch> batches) = 0;
  absl::Status Commit(Batch batch);
  // Gives the disk back what a search took, once its deletion was committed. Takes seconds if that is a lot; other
  // calls go on meanwhile. Returns OK without having done it all once StopReclaiming() was called.
  virtual absl::Status Reclaim(std::uint64_t search) = 0;
  // Ends a Reclaim() that is under way, and every later one.
  virtual void StopReclaiming() = 0;
  struct Figures {
    // Of the table files, the write buffers and caches, and what is still to be compacted.
    std::uint64_t table_bytes = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t compaction_pending_bytes = 0;
    // On its file system; 0 if unknown.
    std::uint64_t free_bytes = 0;
  };
  // Cheap enough for once a second.
  virtual Figures MeasureFigures() const = 0;
  // How often it was synced to the disk since it was opened.
  virtual std::uint64_t syncs() const = 0;

  // Copies what was committed before the call into `directory`, which must not exist, while others go on reading and
  // writing; durable when it returns OK. On the same disk the copy shares the files that never change. Each store that
  // is opened on the copy, or on a copy of its folder that was not opened yet, begins a history of its own.
  virtual absl::Status CopyTo(const std::string& directory) const = 0;

  // Reads every file; DATA_LOSS if one is not as it was written.
  virtual absl::Status VerifyFiles() const = 0;

  absl::StatusOr<std::uint64_t> NextSearchId() const;
  // A random number, never 0, that tells the history of this store from those of all others.
  absl::StatusOr<std::uint64_t> Lineage() const;
  // The number that the changes of a new search are to follow on; see BeginHistory().
  absl::StatusOr<std::uint64_t> ChangesBase() const;
  absl::StatusOr<std::vector<LoadedSearch>> LoadSearches() const;
  // Candidates of higher number than `after` in one of `states` (none given: any), ascending: at most `limit` of them,
  // of at most `max_scanned` that are looked at, and only as many as do not take too much memory.
  absl::StatusOr<CandidateRows> ReadCandidates(std::uint64_t search, std::uint64_t after, std::size_t limit,
                                               const std::set<core::CandidateState>& states = {},
                                               std::size_t max_scanned = std::numeric_limits<std::size_t>::max()) const;
  // Changes of higher sequence number than `after`, at most `limit`, numbered without gaps: they end before a jump,
  // which the next call begins with. The first one's number is above after + 1 if those between are no longer kept, or
  // if a new history began there; a reader then needs to see how things stand, instead of what has changed.
  absl::StatusOr<std::vector<StoredChange>> ReadChanges(std::uint64_t search, std::uint64_t after,
                                                        std::size_t limit) const;
  // All stored buckets of a search, in key order.
  absl::StatusOr<std::vector<std::pair<TableKey, std::vector<StoredBucketEntry>>>> ReadBuckets(
      std::uint64_t search) const;
  // All stored logs of a candidate, by attempt.
  absl::StatusOr<std::map<int, StoredLog>> ReadLogs(std::uint64_t search, std::uint64_t candidate) const;

 protected:
  Store() = default;

  // Returns whether to go on.
  using Visit = std::function<absl::StatusOr<bool>(std::string_view key, std::string_view value)>;
  // Calls `visit` for the records of `family` from `begin` (inclusive) to `end` (exclusive), ascending, while it
  // returns true. `visit` must not call the store.
  virtual absl::Status Scan(Family family, const std::string& begin, const std::string& end,
                            const Visit& visit) const = 0;
  // The last key of `family` that is not after `key`; none if there is no such key.
  virtual absl::StatusOr<std::optional<std::string>> LastKeyUpTo(Family family, const std::string& key) const = 0;
  // A number of kMeta; none if there is no such key.
  virtual absl::StatusOr<std::optional<std::uint64_t>> ReadMeta(const char* key) const = 0;

  // Returns what a store of this version holds before anything was committed to it.
  static Batch NewStore(std::uint64_t lineage);
  // Returns the changes with which this store stops sharing its history with the store that it was copied from, which
  // goes on differently: the lineage, so that lease tokens of the other history are not taken for its own, and one
  // change of each search at a sequence number that is at least 2^32 above the last, so that a watcher of the other
  // history finds a gap instead of going on with changes that do not belong to what it has seen. ChangesBase() is as
  // far away, for the other history may have had a search of the same number as one that is new in this.
  absl::StatusOr<Batch> BeginHistory(std::uint64_t lineage) const;

 private:
  // Of the latest change of a search; 0 if there is none.
  absl::StatusOr<std::uint64_t> LastSequence(std::uint64_t search) const;
};

}  // namespace layernas::storage
