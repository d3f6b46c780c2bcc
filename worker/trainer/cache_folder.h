// The folder for what can be made anew at any time: who may find it there, what it is called, and how it stays bounded.
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
  // Most that the files in it may take together.
  std::uint64_t limit_bytes = 0;
};

// Takes a line for the log.
using LogLine = std::function<void(const std::string&)>;

// layernas below XDG_CACHE_HOME or ~/.cache or, where neither is set, a folder of the user's own in the system's folder
// for temporary files.
std::filesystem::path DefaultCacheFolder();

// Makes the folder, for nobody but the user; throws MachineError where that fails or it belongs to someone else.
void MakePrivateFolder(const std::filesystem::path& folder);

// Removes the files that were used longest ago until those left take no more than options.limit_bytes; `keep`, a name
// in the folder, stays whatever its size. Unfinished files (.tmp) that were not written to for a day are removed too.
// Files that are in use stay usable to those that have them.
void ShrinkFolder(const CacheOptions& options, const std::string& keep);

// Says that a file is in use.
void Touch(const std::filesystem::path& path);

// A file name that is fixed by the key: 16 hexadecimal digits. Who reads the file must compare the key.
std::string CacheFileName(const std::string& key);

// FNV-1a, 64 bits; `hash` is that of what came before.
std::uint64_t HashText(const std::string& text, std::uint64_t hash = 0xcbf29ce484222325);

// CRC-32 of zlib; `before` is that of what came before. Calls `tick` after each 16 MiB and at the end.
std::uint32_t Checksum(const void* bytes, std::size_t size, std::uint32_t before = 0, const Tick& tick = nullptr);

// Held against all other processes, and given back when the object or the process ends.
class FileLock {
 public:
  // Waits until nobody else has it; until then `on_wait` is called, several times a second. Throws MachineError if
  // there can be no lock, and what `on_wait` throws.
  FileLock(const std::filesystem::path& path, const std::function<void()>& on_wait);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  const int fd_;
};

}  // namespace layernas::trainer
