#include "worker/trainer/checkpoint.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "worker/trainer/errors.h"
#include "worker/trainer/file_descriptor.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

// The lines before the state: this one with its version, the checksum of the rest, and the length
// of the key.
constexpr char kMagic[] = "layernas checkpoint 1";
// The option that sets the limit.
constexpr char kLimitOption[] = "--checkpoint-limit";

std::string Header(const std::string& key, const std::string& state) {
  const std::uint32_t checksum = Checksum(state.data(), state.size(), Checksum(key.data(), key.size()));
  return std::string(kMagic) + '\n' + std::to_string(checksum) + '\n' + std::to_string(key.size()) + '\n';
}

}  // namespace

Checkpoint::Checkpoint(CacheOptions options, std::string key, LogLine log)
    : options_(std::move(options)), key_(std::move(key)), log_(std::move(log)) {}

std::optional<std::string> Checkpoint::Read() const {
  if (options_.folder.empty()) return std::nullopt;
  const fs::path path = options_.folder / CacheFileName(key_);
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  try {
    CheckPrivateFolder(options_.folder);
  } catch (const MachineError& error) {
    log_("cannot use the checkpoint " + path.string() + ": " + error.what());
    return std::nullopt;
  }
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const std::string all = bytes.str();
  // Expect what Header() writes: the lengths follow from the expected key.
  std::size_t begin = 0;
  for (int line = 0; line < 3 && begin != std::string::npos; ++line) {
    const std::size_t end = all.find('\n', begin);
    begin = end == std::string::npos ? end : end + 1;
  }
  if (begin != std::string::npos && all.compare(begin, key_.size(), key_) == 0) {
    std::string state = all.substr(begin + key_.size());
    if (all.compare(0, begin, Header(key_, state)) == 0) return state;
  }
  log_("the checkpoint " + path.string() + " is damaged; restarting the training");
  return std::nullopt;
}

bool Checkpoint::Write(const std::string& state) const {
  if (options_.folder.empty()) return false;
  const std::string header = Header(key_, state);
  const std::uint64_t bytes = header.size() + key_.size() + state.size();
  if (bytes > options_.limit_bytes) {
    if (!std::exchange(is_known_as_too_large_, true)) {
      log_("cannot keep a checkpoint: " + DescribeLackOfRoom(options_, {}, bytes, kLimitOption));
    }
    return false;
  }
  const fs::path path = options_.folder / CacheFileName(key_);
  // Two equal trainings may run at the same time, so each writes its own file until it is complete.
  std::string unfinished = path.string() + kReplacementSuffix;
  bool is_created = false;
  std::error_code error;
  try {
    MakePrivateFolder(options_.folder);
    MakeRoomForState(bytes);
    // Only the user can read it.
    const FileDescriptor created(mkostemps(unfinished.data(), sizeof(".tmp") - 1, O_CLOEXEC));
    is_created = created.get() >= 0;
    if (!is_created) throw MachineError("cannot create " + unfinished + ": " + std::strerror(errno));
    // Other trainers leave the file alone while it is locked. Without the lock, they might remove it.
    flock(created.get(), LOCK_EX | LOCK_NB);
    errno = 0;
    std::ofstream file(unfinished, std::ios::binary | std::ios::trunc);
    file << header << key_ << state;
    file.close();
    if (!file) throw MachineError("cannot write " + unfinished + ": " + std::strerror(errno));
    fs::rename(unfinished, path, error);
    if (error) throw MachineError("cannot rename " + unfinished + ": " + error.message());
  } catch (const MachineError& trouble) {
    if (is_created) fs::remove(unfinished, error);
    log_(std::string("cannot keep a checkpoint: ") + trouble.what());
    return false;
  }
  try {
    // Another training may have written meanwhile.
    MakeRoomForState(bytes);
  } catch (const MachineError&) {
    // The state is there nevertheless.
  }
  return true;
}

void Checkpoint::MakeRoomForState(std::uint64_t bytes) const {
  const Room room = MakeRoom(options_, CacheFileName(key_), bytes);
  if (room.removed > 0) {
    log_("removed the saved " +
         (room.removed == 1 ? "state of a training, which has no room"
                            : "states of " + std::to_string(room.removed) + " trainings, which have no room") +
         " within " + kLimitOption + " (" + std::to_string(options_.limit_bytes) +
         " bytes); if it was interrupted, such a training starts from the beginning");
  }
  if (!room.is_enough) throw MachineError(DescribeLackOfRoom(options_, room, bytes, kLimitOption));
}

void Checkpoint::Remove() const {
  if (options_.folder.empty()) return;
  try {
    CheckPrivateFolder(options_.folder);
  } catch (const MachineError&) {
    return;  // This training has saved nothing there.
  }
  std::error_code error;
  fs::remove(options_.folder / CacheFileName(key_), error);
}

}  // namespace layernas::trainer
