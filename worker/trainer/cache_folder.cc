#include "worker/trainer/cache_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

// After this time, an unfinished file belongs to a process that was killed, and no other has
// continued it.
constexpr std::chrono::hours kMaxUnfinishedAge{24};
// How often to retry a lock that another process holds.
constexpr std::chrono::milliseconds kLockInterval{100};

int OpenLock(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) throw MachineError("cannot open " + path.string() + ": " + std::strerror(errno));
  return fd;
}

}  // namespace

fs::path DefaultCacheFolder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return fs::path(cache) / "layernas";
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return fs::path(home) / ".cache" / "layernas";
  std::error_code error;
  fs::path temporary = fs::temp_directory_path(error);
  // TMPDIR may name a folder that does not exist.
  if (error) temporary = "/tmp";
  return temporary / ("layernas-" + std::to_string(getuid()));
}

void MakePrivateFolder(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      throw MachineError("cannot create directory " + folder.string() + ": " + std::strerror(errno));
    }
  }
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    throw MachineError(folder.string() + " is not a directory");
  }
  if (info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw MachineError(folder.string() + " belongs to another user, or other users can write to it");
  }
}

void ShrinkFolder(const CacheOptions& options, const std::string& keep) {
  struct Found {
    fs::path path;
    fs::file_time_type used;
    std::uint64_t bytes;
  };
  std::vector<Found> files;
  std::uint64_t sum = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(options.folder, error)) {
    // Lock files are empty, and a process that waits for a lock must find its file again.
    if (!entry.is_regular_file(error) || entry.path().extension() == ".lock") continue;
    const Found file = {entry.path(), entry.last_write_time(error), entry.file_size(error)};
    if (error) continue;  // Removed by another process meanwhile.
    if (entry.path().extension() == ".tmp" && fs::file_time_type::clock::now() - file.used > kMaxUnfinishedAge) {
      fs::remove(file.path, error);
      continue;
    }
    sum += file.bytes;
    if (entry.path().filename() != keep) files.push_back(file);
  }
  std::sort(files.begin(), files.end(), [](const Found& a, const Found& b) { return a.used < b.used; });
  for (auto file = files.begin(); file != files.end() && sum > options.limit_bytes; ++file) {
    fs::remove(file->path, error);
    sum -= file->bytes;
  }
}

void Touch(const fs::path& path) { utimensat(AT_FDCWD, path.c_str(), nullptr, 0); }

std::string CacheFileName(const std::string& key) {
  char name[17];
  std::snprintf(name, sizeof(name), "%016llx", static_cast<unsigned long long>(HashText(key)));
  return name;
}

std::uint64_t HashText(const std::string& text, std::uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  return hash;
}

std::uint32_t Checksum(const void* bytes, std::size_t size, std::uint32_t before, const Tick& tick) {
  constexpr std::size_t kPiece = 16 << 20;
  const auto* first = static_cast<const Bytef*>(bytes);
  uLong sum = before;
  for (std::size_t done = 0; done < size; done += kPiece) {
    sum = crc32_z(sum, first + done, std::min(kPiece, size - done));
    Call(tick);
  }
  return static_cast<std::uint32_t>(sum);
}

FileLock::FileLock(const fs::path& path, const std::function<void()>& on_wait) : fd_(OpenLock(path)) {
  // Do not wait in the kernel: then nobody would learn that this process waits.
  while (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    if (reason == EINTR) continue;
    if (reason != EWOULDBLOCK) {
      close(fd_);
      throw MachineError("cannot lock " + path.string() + ": " + std::strerror(reason));
    }
    if (on_wait) on_wait();
    std::this_thread::sleep_for(kLockInterval);
  }
}

FileLock::~FileLock() { close(fd_); }

}  // namespace layernas::trainer
