// Backups: copies of the store, each in its own directory, on which a controller can be started.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/storage/store.h"

namespace layernas::storage {

struct Backup {
  std::string id;
  // Directory of the backup.
  std::string path;
  UnixMillis created = 0;
  // Total size of its files, including those that it shares with the store.
  std::uint64_t bytes = 0;
};

// Returns INVALID_ARGUMENT unless the id is 1 to 100 letters, digits, '.', '-' and '_', and begins
// with a letter or digit. Such a name cannot leave the backup directory.
absl::Status CheckBackupId(std::string_view id);

// Use it on one thread at a time; other threads may use the store meanwhile.
class Backups {
 public:
  // Creates `folder` if it is missing; no other controller may use it. Removes unfinished backups
  // that a crash has left there. The store, whose directory is `data_dir`, must outlive the backups.
  static absl::StatusOr<std::unique_ptr<Backups>> Open(const Store& store, const std::string& data_dir,
                                                       const std::string& folder);

  // Makes a backup of everything committed before the call. When it returns, the backup is durable
  // and was opened once as a check. An empty id is replaced by the time. Returns ALREADY_EXISTS if
  // the id is taken. A failed backup leaves nothing behind.
  absl::StatusOr<Backup> Make(std::string id, UnixMillis now);

  // Returns when the newest backup was made; 0 if there is none. For backups from before the start,
  // it is the time of the last write to their directory. Those dated after `now` do not count: the
  // clock was ahead when they were made, or is behind now.
  UnixMillis latest(UnixMillis now) const;

 private:
  Backups(const Store& store, std::string folder, std::set<UnixMillis> times)
      : store_(store), folder_(std::move(folder)), times_(std::move(times)) {}

  const Store& store_;
  // Absolute path.
  const std::string folder_;
  // When they were made.
  std::set<UnixMillis> times_;
};

}  // namespace layernas::storage
