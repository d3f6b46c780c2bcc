#include "controller/storage/database.h"

#include <cstdarg>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"

namespace layernas::storage {
namespace {

class DatabaseLogger final : public rocksdb::Logger {
 public:
  DatabaseLogger() : Logger(rocksdb::InfoLogLevel::ERROR_LEVEL) {}

  using Logger::Logv;
  // Called for levels from ERROR on. The lines are at level debug because real problems are also
  // returned as a status, and because RocksDB reports even a new directory as an error.
  void Logv(const char* format, va_list arguments) override {
    char text[1024];
    if (std::vsnprintf(text, sizeof(text), format, arguments) > 0) log::Debug("RocksDB", {{"says", text}});
  }
};

}  // namespace

std::shared_ptr<rocksdb::Logger> MakeDatabaseLogger() { return std::make_shared<DatabaseLogger>(); }

Database::~Database() {
  for (rocksdb::ColumnFamilyHandle* handle : families) db->DestroyColumnFamilyHandle(handle);
  if (db) db->Close().PermitUncheckedError();
}

absl::StatusOr<std::optional<std::uint64_t>> Database::ReadMeta(const char* key) const {
  std::string value;
  const rocksdb::Status status = db->Get(rocksdb::ReadOptions(), families[kMeta], key, &value);
  if (status.IsNotFound()) return std::optional<std::uint64_t>();
  LAYERNAS_RETURN_IF_ERROR(ToStatus(status, directory));
  return ParseMeta(key, value);
}

absl::Status ToStatus(const rocksdb::Status& status, const std::string& directory) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  // The lock is held by this process or by another one (EAGAIN or EACCES). Some network file systems
  // have no locks, which is another error.
  const bool is_taken = text.find("Resource temporarily unavailable") != std::string::npos ||
                        text.find("Permission denied") != std::string::npos;
  if (status.IsIOError() && (text.find("lock hold by current process") != std::string::npos ||
                             (text.find("While lock file") != std::string::npos && is_taken))) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the data directory ", directory, " is in use by another controller; stop it or choose another --data-dir"));
  }
  if (status.IsCorruption()) {
    // Errors of table files name the file.
    const bool log = text.find(".sst") == std::string::npos;
    return absl::DataLossError(
        absl::StrCat("the data directory ", directory, " is damaged (", text,
                     "); restore it from a backup or choose another --data-dir",
                     log ? "; after a power cut you can also start with --drop-damaged-log" : ""));
  }
  if (status.IsNoSpace()) {
    return absl::ResourceExhaustedError(absl::StrCat("no space is left for the data directory ", directory, " (", text,
                                                     "); free some, then start the controller again: all "
                                                     "acknowledged data is still there"));
  }
  if (text.find("Read-only file system") != std::string::npos || text.find("Permission denied") != std::string::npos) {
    return absl::FailedPreconditionError(
        absl::StrCat("the data directory ", directory, " cannot be written to (", text,
                     "); give the controller's user write permission, or choose another --data-dir"));
  }
  return absl::UnavailableError(absl::StrCat("the data directory ", directory, " cannot be used: ", text));
}

}  // namespace layernas::storage
