#include "worker/trainer/cache_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "worker/trainer/errors.h"
#include "worker/trainer/file_descriptor.h"

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

fs::path CacheDirectory(const fs::path& folder) {
  return folder.has_parent_path() ? folder.parent_path() : fs::path(".");
}

void MakeFolder(const fs::path& folder) {
  if (mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return;
  throw MachineError("cannot create directory " + folder.string() + ": " + std::strerror(errno));
}

void Refuse(const std::string& why) {
  if (!why.empty()) throw MachineError(why + "; choose another --cache-dir");
}

// Returns why the cache directory must not be used, or an empty text. Any user may own it, as of a
// volume that is mounted into a container: its folders are private.
std::string WhyNotUsable(const fs::path& cache) {
  struct stat info {};
  // A link of somebody else could lead into any directory of the user.
  if (lstat(cache.c_str(), &info) == 0 && S_ISLNK(info.st_mode) && info.st_uid != geteuid() && info.st_uid != 0) {
    return cache.string() + " is a symbolic link of another user";
  }
  if (stat(cache.c_str(), &info) != 0) return "cannot use " + cache.string() + ": " + std::strerror(errno);
  return S_ISDIR(info.st_mode) ? "" : cache.string() + " is not a directory";
}

// Returns why the folder in the cache directory must not be used, or an empty text.
std::string WhyNotPrivate(const fs::path& folder) {
  struct stat info {};
  if (lstat(folder.c_str(), &info) != 0) return "cannot use " + folder.string() + ": " + std::strerror(errno);
  if (S_ISLNK(info.st_mode)) return folder.string() + " is a symbolic link, but must be a directory";
  if (!S_ISDIR(info.st_mode)) return folder.string() + " is not a directory";
  if (info.st_uid != geteuid()) return folder.string() + " belongs to another user";
  const bool is_open = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  return is_open ? folder.string() + " belongs to the user, but other users can write to it" : "";
}

// The number of digits of CacheFileName().
constexpr std::size_t kNameDigits = 16;

enum class FileKind {
  // Somebody else's, or a lock. Locks are empty, and a process that waits for one must find its
  // file again.
  kNone,
  kFinished,
  // Its lock is another file.
  kUnfinished,
  // It is locked itself.
  kReplacement
};

FileKind KindOf(const std::string& name) {
  if (name.size() < kNameDigits || name.find_first_not_of("0123456789abcdef") < kNameDigits) return FileKind::kNone;
  const std::string suffix = name.substr(kNameDigits);
  if (suffix.empty()) return FileKind::kFinished;
  if (suffix == ".tmp") return FileKind::kUnfinished;
  const std::string pattern = kReplacementSuffix;
  const std::size_t begin = pattern.find('X'), end = pattern.rfind('X') + 1;
  const bool is_replacement = suffix.size() == pattern.size() && suffix.compare(0, begin, pattern, 0, begin) == 0 &&
                              suffix.compare(end, std::string::npos, pattern, end) == 0 &&
                              std::all_of(suffix.begin() + static_cast<std::ptrdiff_t>(begin),
                                          suffix.begin() + static_cast<std::ptrdiff_t>(end),
                                          [](unsigned char each) { return std::isalnum(each) != 0; });
  return is_replacement ? FileKind::kReplacement : FileKind::kNone;
}

struct CacheFile {
  fs::path path;
  FileKind kind;
  fs::file_time_type used;
  // 0 if it counts as part of another file.
  std::uint64_t bytes;
  // Somebody is writing it or its replacement.
  bool is_in_use = false;
  // For unfinished files. Holds the lock if nobody else does.
  std::unique_ptr<FileDescriptor> lock = nullptr;
};

// Locks the unfinished file, or marks it as being in use.
void TryLock(CacheFile& file) {
  const bool is_separate = file.kind == FileKind::kUnfinished;
  fs::path path = file.path;
  if (is_separate) path.replace_extension(".lock");
  file.lock =
      std::make_unique<FileDescriptor>(open(path.c_str(), O_RDWR | O_CLOEXEC | (is_separate ? O_CREAT : 0), 0600));
  file.is_in_use = file.lock->get() < 0 || flock(file.lock->get(), LOCK_EX | LOCK_NB) != 0;
}

// Returns the files of the trainer in the folder, except the file `name` and its unfinished one.
std::vector<CacheFile> FilesIn(const fs::path& folder, const std::string& name) {
  std::vector<CacheFile> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string found = entry.path().filename().string();
    const FileKind kind = KindOf(found);
    if (kind == FileKind::kNone || found == name || found == name + ".tmp") continue;
    if (entry.symlink_status(error).type() != fs::file_type::regular) continue;
    CacheFile file = {entry.path(), kind, entry.last_write_time(error), entry.file_size(error)};
    if (error) continue;  // Removed by another process meanwhile.
    if (kind != FileKind::kFinished) TryLock(file);
    files.push_back(std::move(file));
  }
  // A state stays until the one that replaces it is complete.
  for (CacheFile& replacement : files) {
    if (replacement.kind != FileKind::kReplacement || !replacement.is_in_use) continue;
    const std::string replaced = replacement.path.filename().string().substr(0, kNameDigits);
    for (CacheFile& file : files) {
      if (file.path.filename() != replaced) continue;
      file.is_in_use = true;
      file.bytes -= std::min(file.bytes, replacement.bytes);
    }
  }
  return files;
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
  const fs::path cache = CacheDirectory(folder);
  std::error_code error;
  if (!fs::is_directory(cache, error)) {
    if (cache.has_parent_path()) fs::create_directories(cache.parent_path(), error);
    MakeFolder(cache);
  }
  Refuse(WhyNotUsable(cache));
  MakeFolder(folder);
  Refuse(WhyNotPrivate(folder));
}

void CheckPrivateFolder(const fs::path& folder) {
  Refuse(WhyNotUsable(CacheDirectory(folder)));
  Refuse(WhyNotPrivate(folder));
}

Room MakeRoom(const CacheOptions& options, const std::string& name, std::uint64_t bytes) {
  std::vector<CacheFile> files = FilesIn(options.folder, name);
  Room room;
  std::uint64_t in_use = 0;
  for (const CacheFile& file : files) {
    room.used_bytes += file.bytes;
    if (file.is_in_use) in_use += file.bytes;
  }
  const std::uint64_t limit = options.limit_bytes;
  room.is_enough = bytes <= limit && in_use <= limit - bytes;
  const std::uint64_t most = room.is_enough ? limit - bytes : limit;
  std::sort(files.begin(), files.end(), [](const CacheFile& a, const CacheFile& b) { return a.used < b.used; });
  for (const CacheFile& file : files) {
    const bool is_left_behind =
        file.lock != nullptr && fs::file_time_type::clock::now() - file.used > kMaxUnfinishedAge;
    if (file.is_in_use || (room.used_bytes <= most && !is_left_behind)) continue;
    std::error_code error;
    fs::remove(file.path, error);
    if (error) continue;
    room.used_bytes -= file.bytes;
    if (file.lock == nullptr) ++room.removed;
  }
  room.is_enough = room.is_enough && room.used_bytes <= most;
  return room;
}

std::string DescribeLackOfRoom(const CacheOptions& options, const Room& room, std::uint64_t bytes,
                               const std::string& option) {
  const std::string limit = std::to_string(options.limit_bytes);
  const std::string takes = "it takes " + std::to_string(bytes) + " bytes, but ";
  if (bytes > options.limit_bytes) return takes + option + " is " + limit + " bytes";
  return takes + "files in use take " + std::to_string(room.used_bytes) + " of the " + limit + " bytes of " + option;
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
