// A store in memory, for simulations: it outlives the engines that use it, as a disk does, and can lose what was not
// synced, as a disk does.
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

// When a commit is interrupted.
struct Crash {
  enum class Point {
    kBeforeWrite,
    // Some batches of the commit were written, but not synced.
    kBeforeSync,
    // All is durable, but the caller does not learn of it.
    kAfterSync,
  };
  Point point = Point::kBeforeWrite;
  // For kBeforeSync: how many batches were written; as many as there are if there are fewer.
  std::size_t written = 0;
  // For kBeforeSync: the machine lost its power, and what was not synced with it. Otherwise only the process died, and
  // the operating system keeps what was written.
  bool power_lost = true;
};

// Thread-safe. Same seed, same lineages.
class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::uint64_t seed);

  // The next Commit() crashes at `crash` and returns ABORTED. From then on every call fails with ABORTED, so that an
  // engine whose process is gone changes and sees nothing more, until Restart().
  void CrashInNextCommit(const Crash& crash);
  // The process dies now, between two commits.
  void CrashNow();
  bool crashed() const;
  // What a new process finds; drops a crash that was planned and did not happen.
  void Restart();

  // Opens the copy that CopyTo(name) made: each call returns another store, with a history of its own. Null if there is
  // no such copy.
  std::unique_ptr<MemoryStore> OpenCopy(const std::string& name) const;

  using Store::Commit;
  absl::Status Commit(std::vector<Batch> batches) override;
  // There is nothing to reclaim.
  absl::Status Reclaim(std::uint64_t search) override;
  void StopReclaiming() override {}
  Figures MeasureFigures() const override;
  std::uint64_t syncs() const override;
  // `directory` is a name for OpenCopy(). ALREADY_EXISTS if there is a copy of that name.
  absl::Status CopyTo(const std::string& directory) const override;
  absl::Status VerifyFiles() const override;

 protected:
  absl::Status Scan(Family family, const std::string& begin, const std::string& end, const Visit& visit) const override;
  absl::StatusOr<std::optional<std::string>> LastKeyUpTo(Family family, const std::string& key) const override;
  absl::StatusOr<std::optional<std::uint64_t>> ReadMeta(const char* key) const override;

 private:
  using Table = std::map<std::string, std::string, std::less<>>;
  using Tables = std::array<Table, kFamilyCount>;
  // How one key was before a write that was not synced yet; no value if it was missing.
  struct Undo {
    Family family;
    std::string key;
    std::optional<std::string> value;
  };

  MemoryStore(std::uint64_t seed, Tables tables);
  void Write(const Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Sync() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes back what was not synced.
  void LoseUnsynced() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  Tables tables_ ABSL_GUARDED_BY(mutex_);
  std::vector<Undo> unsynced_ ABSL_GUARDED_BY(mutex_);
  std::optional<Crash> planned_ ABSL_GUARDED_BY(mutex_);
  bool crashed_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t syncs_ ABSL_GUARDED_BY(mutex_) = 0;
  // Copying and opening copies leave the store as it is, but draw numbers.
  mutable std::map<std::string, Tables> copies_ ABSL_GUARDED_BY(mutex_);
  mutable RandomStream random_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace layernas::storage
