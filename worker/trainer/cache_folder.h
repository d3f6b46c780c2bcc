// The cache folder, which holds files that can be made again at any time: who may read them, their
// names, and how their total size stays bounded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "worker/trainer/tick.h"

namespace layernas::trainer {

struct CacheOptions {
  // Empty: nothing is kept.
  std::filesystem::path folder;
  // The maximum total size of its files.
  std::uint64_t limit_bytes = 0;
};

// Logs a line.
using LogLine = std::function<void(const std::string&)>;

// Returns the folder layernas below XDG_CACHE_HOME or ~/.cache. If neither XDG_CACHE_HOME nor HOME
// is set, returns a folder for the user in the system's folder for temporary files.
std::filesystem::path DefaultCacheFolder();

// Creates the folder, accessible only to the user. Throws MachineError if that fails or the folder
// belongs to someone else.
void MakePrivateFolder(const std::filesystem::path& folder);

// Removes the least recently used files until the rest takes at most options.limit_bytes. `keep`, a
// name in the folder, stays whatever its size. Also removes unfinished files (.tmp) that have not
// been written to for a day. Processes that have a removed file open can still use it.
void ShrinkFolder(const CacheOptions& options, const std::string& keep);

// Marks a file as recently used.
void Touch(const std::filesystem::path& path);

// Returns a file name that depends only on the key: 16 hexadecimal digits. A reader of the file
// must compare the key.
std::string CacheFileName(const std::string& key);

// Returns the FNV-1a hash, 64 bits. `hash` is the hash of the preceding text.
std::uint64_t HashText(const std::string& text, std::uint64_t hash = 0xcbf29ce484222325);

// Returns the CRC-32 as zlib computes it. `before` is the checksum of the preceding bytes. Calls
// `tick` after each 16 MiB and at the end.
std::uint32_t Checksum(const void* bytes, std::size_t size, std::uint32_t before = 0, const Tick& tick = nullptr);

// An exclusive lock among processes. It is released when the object is destroyed or the process
// ends.
class FileLock {
 public:
  // Waits until nobody else holds the lock, and meanwhile calls `on_wait` several times a second.
  // Throws MachineError if the lock cannot be taken, and everything that `on_wait` throws.
  FileLock(const std::filesystem::path& path, const std::function<void()>& on_wait);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  const int fd_;
};

}  // namespace layernas::trainer
