#include "controller/storage/backups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/crash_point.h"
#include "common/base/status_macros.h"

namespace layernas::storage {
namespace {

namespace fs = std::filesystem;

// Prefix for backups in progress. No id may begin with it.
constexpr std::string_view kPartial = ".partial-";

absl::Status Failed(const std::string& path, const char* what, const std::error_code& error) {
  return absl::InternalError(absl::StrCat(path, ": cannot be ", what, ": ", error.message()));
}

// Makes renames in the directory survive a power loss.
absl::Status SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && fsync(folder) == 0;
  const std::error_code error(errno, std::generic_category());
  if (folder >= 0) close(folder);
  return synced ? absl::OkStatus() : Failed(path, "synced", error);
}

std::string IdOf(UnixMillis now) {
  const std::time_t seconds = now / 1000;
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  return absl::StrFormat("%04d%02d%02dT%02d%02d%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                         utc.tm_hour, utc.tm_min, utc.tm_sec, now % 1000);
}

absl::StatusOr<std::uint64_t> BytesIn(const std::string& path) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator file(path, error), end; !error && file != end; file.increment(error)) {
    bytes += file->file_size(error);
  }
  if (error) return Failed(path, "read", error);
  return bytes;
}

// Returns the times at which the backups in the directory were written to, ascending. `data_dir` is
// not a backup, even if it is in the directory.
std::set<UnixMillis> TimesIn(const std::string& folder, const std::string& data_dir) {
  std::set<UnixMillis> times;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    struct stat status = {};
    // The RocksDB file that names the others. A directory without it is not a backup.
    if (!fs::exists(entry->path() / "CURRENT", error) || ::stat(entry->path().c_str(), &status) != 0) continue;
    if (fs::equivalent(entry->path(), data_dir, error)) continue;
    times.insert(status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1'000'000);
  }
  return times;
}

}  // namespace

absl::Status CheckBackupId(std::string_view id) {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (!id.empty() && id.size() <= 100 && letter_or_digit(id.front()) && std::all_of(id.begin(), id.end(), [&](char c) {
        return letter_or_digit(c) || c == '.' || c == '-' || c == '_';
      })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "the backup name must be 1 to 100 letters, digits, '.', '-' and '_', and begin with a letter or digit");
}

absl::StatusOr<std::unique_ptr<Backups>> Backups::Open(const Store& store, const std::string& data_dir,
                                                       const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Failed(folder, "created", error);
  const std::string absolute = fs::absolute(folder, error).string();
  if (error) return Failed(folder, "found", error);
  std::vector<fs::path> partial;
  for (fs::directory_iterator entry(absolute, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with(kPartial)) partial.push_back(entry->path());
  }
  if (error) return Failed(absolute, "read", error);
  for (const fs::path& path : partial) {
    fs::remove_all(path, error);
    if (error) return Failed(path.string(), "removed", error);
  }
  return std::unique_ptr<Backups>(new Backups(store, absolute, TimesIn(absolute, data_dir)));
}

UnixMillis Backups::latest(UnixMillis now) const {
  const auto after = times_.upper_bound(now);
  return after == times_.begin() ? 0 : *std::prev(after);
}

absl::StatusOr<Backup> Backups::Make(std::string id, UnixMillis now) {
  if (id.empty()) id = IdOf(now);
  LAYERNAS_RETURN_IF_ERROR(CheckBackupId(id));
  const std::string path = absl::StrCat(folder_, "/", id);
  const std::string partial = absl::StrCat(folder_, "/", std::string(kPartial), id);
  std::error_code error;
  if (fs::exists(fs::symlink_status(path, error))) {
    return absl::AlreadyExistsError(absl::StrCat("backup ", id, " already exists in ", folder_));
  }
  const auto make = [&]() -> absl::StatusOr<Backup> {
    LAYERNAS_RETURN_IF_ERROR(store_.CopyTo(partial));
    LAYERNAS_ASSIGN_OR_RETURN(const std::uint64_t bytes, BytesIn(partial));
    LAYERNAS_RETURN_IF_ERROR(SyncFolder(partial));
    CrashPoint("backup-copied");
    fs::rename(partial, path, error);
    if (error) return Failed(path, "created", error);
    LAYERNAS_RETURN_IF_ERROR(SyncFolder(folder_));
    times_.insert(now);
    return Backup{id, path, now, bytes};
  };
  absl::StatusOr<Backup> made = make();
  if (made.ok()) return made;
  // RocksDB first makes its copy under its own temporary name.
  fs::remove_all(partial, error);
  fs::remove_all(partial + ".tmp", error);
  // A write error is not a temporary problem of the controller: clients must not retry the call.
  const bool unavailable = made.status().code() == absl::StatusCode::kUnavailable;
  return absl::Status(unavailable ? absl::StatusCode::kInternal : made.status().code(),
                      absl::StrCat("no backup was made: ", made.status().message()));
}

}  // namespace layernas::storage
