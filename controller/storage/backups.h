// Copies of the store in a folder of their own, each of which a controller can be started on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/storage/store.h"

namespace layernas::storage {

struct Backup {
  std::string id;
  // Its folder.
  std::string path;
  UnixMillis created = 0;
  // Of its files, also of those that it shares with the store.
  std::uint64_t bytes = 0;
};

// INVALID_ARGUMENT unless it is 1 to 100 letters, digits, '.', '-' and '_' that begin with a letter or digit: such a
// name leads nowhere else than into the folder.
absl::Status CheckBackupId(std::string_view id);

// One thread at a time; others may go on using the store.
class Backups {
 public:
  // `folder` is made if there is none; no other controller may use it. What a crash left half done there is removed.
  // The store must outlive the backups.
  static absl::StatusOr<std::unique_ptr<Backups>> Open(const Store& store, const std::string& folder);

  // All that was committed before the call; durable, and proven to open, when it returns. Without an id the time is
  // taken for one. ALREADY_EXISTS if there is one of that id; nothing is left of one that failed.
  absl::StatusOr<Backup> Make(std::string id, UnixMillis now);

  // When the newest backup was made; 0 if there is none. Of those that were there at the start it is the time at which
  // their folder was last written to.
  UnixMillis latest() const { return latest_; }

 private:
  Backups(const Store& store, std::string folder, UnixMillis latest)
      : store_(store), folder_(std::move(folder)), latest_(latest) {}

  const Store& store_;
  // Absolute.
  const std::string folder_;
  UnixMillis latest_;
};

}  // namespace layernas::storage
