// A store in memory, for simulations. Like a disk, it outlives the engines that use it and can lose
// writes that were not synced.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/random.h"
#include "controller/storage/store.h"

namespace layernas::storage {

// Where a commit is interrupted.
struct Crash {
  enum class Point {
    kBeforeWrite,
    // Some batches of the commit were written, but not synced.
    kBeforeSync,
    // Everything is durable, but the caller does not learn of it.
    kAfterSync,
  };
  Point point = Point::kBeforeWrite;
  // For kBeforeSync: how many batches were written, or all if there are fewer.
  std::size_t written = 0;
  // For kBeforeSync: the machine lost power, and writes that were not synced are lost. Otherwise
  // only the process died, and the operating system keeps the writes.
  bool power_lost = true;
};

// Thread-safe. The same seed gives the same lineages.
class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::uint64_t seed);

  // The next Commit() crashes at `crash` and returns ABORTED. After that every call fails with
  // ABORTED until Restart(), so an engine whose process has died neither changes nor sees anything.
  void CrashInNextCommit(const Crash& crash);
  // The process dies now, between two commits.
  void CrashNow();
  bool crashed() const;
  // Returns to the state that a new process finds. Drops a planned crash that did not happen.
  void Restart();

  // Opens the copy that CopyTo(name) made, or returns null if there is none. Each call returns
  // another store with its own history.
  std::unique_ptr<MemoryStore> OpenCopy(const std::string& name) const;

  using Store::Commit;
  absl::Status Commit(std::vector<Batch> batches) override;
  // Does nothing: there is nothing to reclaim.
  absl::Status Reclaim(std::uint64_t search) override;
  void StopReclaiming() override {}
  Figures MeasureFigures() const override;
  std::uint64_t syncs() const override;
  // `directory` is a name for OpenCopy(). Returns ALREADY_EXISTS if there is a copy with that name.
  absl::Status CopyTo(const std::string& directory) const override;
  absl::Status VerifyFiles() const override;

 protected:
  absl::Status Scan(Family family, const std::string& begin, const std::string& end, const Visit& visit) const override;
  absl::StatusOr<std::optional<std::string>> LastKeyUpTo(Family family, const std::string& key) const override;
  absl::StatusOr<std::optional<std::uint64_t>> ReadMeta(const char* key) const override;

 private:
  using Table = std::map<std::string, std::string, std::less<>>;
  using Tables = std::array<Table, kFamilyCount>;
  // Value of a key before a write that is not synced yet; empty if it did not exist.
  struct Undo {
    Family family;
    std::string key;
    std::optional<std::string> value;
  };

  MemoryStore(std::uint64_t seed, Tables tables);
  void Write(const Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Sync() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Undoes the writes that were not synced.
  void LoseUnsynced() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  Tables tables_ ABSL_GUARDED_BY(mutex_);
  std::vector<Undo> unsynced_ ABSL_GUARDED_BY(mutex_);
  std::optional<Crash> planned_ ABSL_GUARDED_BY(mutex_);
  bool crashed_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t syncs_ ABSL_GUARDED_BY(mutex_) = 0;
  // Mutable because copying and opening copies are const, but draw numbers.
  mutable std::map<std::string, Tables> copies_ ABSL_GUARDED_BY(mutex_);
  mutable RandomStream random_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace layernas::storage
