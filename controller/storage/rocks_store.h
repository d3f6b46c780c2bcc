// A store in a RocksDB directory.
#pragma once

#include <rocksdb/listener.h>
#include <rocksdb/options.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/storage/database.h"
#include "controller/storage/store.h"

namespace layernas::storage {

// Notes that data in memory could not be written to a file, for example when a backup filled the
// disk. RocksDB then refuses every write until it is resumed. Its own recovery needs more space
// than a small disk has. Thread-safe.
class FlushErrors final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error, bool* auto_recovery) override;
  // Returns whether there was an error since the last Take().
  bool Take() { return occurred_.exchange(false); }

 private:
  std::atomic<bool> occurred_ = false;
};

// Open it with Store::Open() and the similar functions.
class RocksStore final : public Store {
 public:
  using Store::Commit;
  absl::Status Commit(std::vector<Batch> batches) override;
  absl::Status Reclaim(std::uint64_t search) override;
  void StopReclaiming() override { reclaiming_stopped_ = true; }
  Figures MeasureFigures() const override;
  std::uint64_t syncs() const override;
  absl::Status CopyTo(const std::string& directory) const override;
  absl::Status VerifyFiles() const override;

 protected:
  absl::Status Scan(Family family, const std::string& begin, const std::string& end, const Visit& visit) const override;
  absl::StatusOr<std::optional<std::string>> LastKeyUpTo(Family family, const std::string& key) const override;
  absl::StatusOr<std::optional<std::uint64_t>> ReadMeta(const char* key) const override;

 private:
  friend class Store;
  RocksStore(std::unique_ptr<Database> database, std::shared_ptr<FlushErrors> flush_errors)
      : database_(std::move(database)), flush_errors_(std::move(flush_errors)) {}
  static absl::StatusOr<std::unique_ptr<RocksStore>> Open(const std::string& directory, const rocksdb::Options& options,
                                                          bool read_only);
  // Initialises a directory without a schema version as a new store, and migrates an older one.
  absl::Status CheckSchema(bool read_only);
  // Begins a new history durably.
  absl::Status LeaveOriginal();
  absl::Status ToStatus(const rocksdb::Status& status) const { return storage::ToStatus(status, database_->directory); }
  rocksdb::DB& db() const { return *database_->db; }

  const std::unique_ptr<Database> database_;
  const std::shared_ptr<FlushErrors> flush_errors_;
  std::atomic<bool> reclaiming_stopped_ = false;
};

}  // namespace layernas::storage
