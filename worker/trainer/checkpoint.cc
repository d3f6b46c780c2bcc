#include "worker/trainer/checkpoint.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

// The lines before the state: this one with its version, the checksum of the rest, and the length
// of the key.
constexpr char kMagic[] = "layernas checkpoint 1";

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
  const std::string name = CacheFileName(key_);
  const fs::path path = options_.folder / name;
  // Two equal trainings may run at the same time, so each writes its own file until it is complete.
  const fs::path unfinished = path.string() + "." + std::to_string(getpid()) + ".tmp";
  std::error_code error;
  try {
    MakePrivateFolder(options_.folder);
    errno = 0;
    std::ofstream file(unfinished, std::ios::binary | std::ios::trunc);
    file << Header(key_, state) << key_ << state;
    file.close();
    if (!file) throw MachineError("cannot write " + unfinished.string() + ": " + std::strerror(errno));
    fs::rename(unfinished, path, error);
    if (error) throw MachineError("cannot rename " + unfinished.string() + ": " + error.message());
    ShrinkFolder(options_, name);
    return true;
  } catch (const MachineError& trouble) {
    fs::remove(unfinished, error);
    log_(std::string("cannot keep a checkpoint: ") + trouble.what());
    return false;
  }
}

void Checkpoint::Remove() const {
  std::error_code error;
  if (!options_.folder.empty()) fs::remove(options_.folder / CacheFileName(key_), error);
}

}  // namespace layernas::trainer
