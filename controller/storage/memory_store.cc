#include "controller/storage/memory_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "controller/storage/meta.h"

namespace layernas::storage {
namespace {

absl::Status Crashed() { return absl::AbortedError("the process that used this store has crashed"); }

}  // namespace

MemoryStore::MemoryStore(std::uint64_t seed) : random_({seed}) {
  MutexLock lock(mutex_);
  Write(NewStore(random_.Next() | 1));
  Sync();
}

MemoryStore::MemoryStore(std::uint64_t seed, Tables tables) : tables_(std::move(tables)), random_({seed}) {}

void MemoryStore::CrashInNextCommit(const Crash& crash) {
  MutexLock lock(mutex_);
  planned_ = crash;
}

void MemoryStore::CrashNow() {
  MutexLock lock(mutex_);
  crashed_ = true;
}

bool MemoryStore::crashed() const {
  MutexLock lock(mutex_);
  return crashed_;
}

void MemoryStore::Restart() {
  MutexLock lock(mutex_);
  crashed_ = false;
  planned_.reset();
}

std::unique_ptr<MemoryStore> MemoryStore::OpenCopy(const std::string& name) const {
  std::unique_ptr<MemoryStore> opened;
  std::uint64_t lineage = 0;
  {
    MutexLock lock(mutex_);
    const auto copy = copies_.find(name);
    if (copy == copies_.end()) return nullptr;
    opened.reset(new MemoryStore(random_.Next(), copy->second));
    lineage = random_.Next() | 1;
  }
  // This fails only for records that no Batch writes.
  const absl::StatusOr<Batch> history = opened->BeginHistory(lineage);
  if (!history.ok()) return nullptr;
  MutexLock lock(opened->mutex_);
  opened->Write(*history);
  opened->Sync();
  return opened;
}

absl::Status MemoryStore::Commit(std::vector<Batch> batches) {
  MutexLock lock(mutex_);
  if (crashed_) return Crashed();
  const std::optional<Crash> crash = std::exchange(planned_, std::nullopt);
  crashed_ = crash.has_value();
  std::size_t written = batches.size();
  if (crash && crash->point == Crash::Point::kBeforeWrite) written = 0;
  if (crash && crash->point == Crash::Point::kBeforeSync) written = std::min(written, crash->written);
  for (std::size_t i = 0; i < written; ++i) Write(batches[i]);
  if (crash && crash->point == Crash::Point::kBeforeSync && crash->power_lost) LoseUnsynced();
  // If only the process dies, the operating system still writes its data to the disk.
  if (written > 0) Sync();
  return crash ? Crashed() : absl::OkStatus();
}

absl::Status MemoryStore::Reclaim(std::uint64_t) { return absl::OkStatus(); }

Store::Figures MemoryStore::MeasureFigures() const { return {}; }

std::uint64_t MemoryStore::syncs() const {
  MutexLock lock(mutex_);
  return syncs_;
}

absl::Status MemoryStore::CopyTo(const std::string& directory) const {
  MutexLock lock(mutex_);
  if (crashed_) return Crashed();
  if (!copies_.try_emplace(directory, tables_).second) {
    return absl::AlreadyExistsError(absl::StrCat("the copy ", directory, " already exists"));
  }
  return absl::OkStatus();
}

absl::Status MemoryStore::VerifyFiles() const { return absl::OkStatus(); }

absl::Status MemoryStore::Scan(Family family, const std::string& begin, const std::string& end,
                               const Visit& visit) const {
  MutexLock lock(mutex_);
  if (crashed_) return Crashed();
  const Table& table = tables_[family];
  for (auto record = table.lower_bound(begin); record != table.end() && record->first < end; ++record) {
    LAYERNAS_ASSIGN_OR_RETURN(const bool go_on, visit(record->first, record->second));
    if (!go_on) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> MemoryStore::LastKeyUpTo(Family family, const std::string& key) const {
  MutexLock lock(mutex_);
  if (crashed_) return Crashed();
  const auto after = tables_[family].upper_bound(key);
  if (after == tables_[family].begin()) return std::optional<std::string>();
  return std::optional<std::string>(std::prev(after)->first);
}

absl::StatusOr<std::optional<std::uint64_t>> MemoryStore::ReadMeta(const char* key) const {
  MutexLock lock(mutex_);
  if (crashed_) return Crashed();
  const auto record = tables_[kMeta].find(key);
  if (record == tables_[kMeta].end()) return std::optional<std::uint64_t>();
  return ParseMeta(key, record->second);
}

void MemoryStore::Write(const Batch& batch) {
  // The lock analysis does not look into lambdas.
  Tables& tables = tables_;
  std::vector<Undo>& unsynced = unsynced_;
  batch.operations().Visit(
      [&](Family family, std::string_view key, std::string_view value) {
        const auto [record, added] = tables[family].try_emplace(std::string(key));
        unsynced.push_back(
            {family, record->first, added ? std::nullopt : std::optional<std::string>(std::move(record->second))});
        record->second = value;
      },
      [&](Family family, std::string_view begin, std::string_view end) {
        Table& table = tables[family];
        auto record = table.lower_bound(begin);
        while (record != table.end() && record->first < end) {
          unsynced.push_back({family, record->first, std::move(record->second)});
          record = table.erase(record);
        }
      });
}

void MemoryStore::Sync() {
  unsynced_.clear();
  ++syncs_;
}

void MemoryStore::LoseUnsynced() {
  for (auto undo = unsynced_.rbegin(); undo != unsynced_.rend(); ++undo) {
    if (undo->value) {
      tables_[undo->family].insert_or_assign(undo->key, std::move(*undo->value));
    } else {
      tables_[undo->family].erase(undo->key);
    }
  }
  unsynced_.clear();
}

}  // namespace layernas::storage
