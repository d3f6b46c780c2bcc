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
  // A sub-directory of the cache directory. Empty: nothing is kept.
  std::filesystem::path folder;
  // The maximum total size of its files.
  std::uint64_t limit_bytes = 0;
};

// Logs a line.
using LogLine = std::function<void(const std::string&)>;

// Returns the folder layernas below XDG_CACHE_HOME or ~/.cache. If neither XDG_CACHE_HOME nor HOME
// is set, returns a folder for the user in the system's folder for temporary files.
std::filesystem::path DefaultCacheFolder();

// Creates the folder and its parent, the cache directory, where they are missing. Only the user can
// access what it creates. Throws MachineError if that fails, or if CheckPrivateFolder() throws.
void MakePrivateFolder(const std::filesystem::path& folder);

// Throws MachineError unless only this user can fill the folder. It must be a directory, not a link,
// that belongs to the user and that nobody else can write to. Others may be able to list it, if the
// user has made it so, but not to read the files in it: the trainer creates them for the user only.
// The cache directory may belong to anybody, but must not be a symbolic link of another user than
// root.
void CheckPrivateFolder(const std::filesystem::path& folder);

// For mkostemps().
constexpr char kReplacementSuffix[] = ".new-XXXXXX.tmp";

// What MakeRoom() found and did.
struct Room {
  // Whether there is room for the file.
  bool is_enough = false;
  // The size of the other files that are left.
  std::uint64_t used_bytes = 0;
  // The number of finished files that were removed.
  int removed = 0;
};

// Makes room for the file `name`, which will have `bytes`: removes the least recently used files
// until all others and this one take at most options.limit_bytes. If that is impossible, removes
// only what is above the limit without this file. Touches only files of the trainer, which it
// recognizes by their names:
//  * CacheFileName(): a finished file. Processes that have it open can still use it.
//  * CacheFileName() + ".tmp": an unfinished file. A process that writes it holds the lock ".lock".
//  * CacheFileName() + kReplacementSuffix: a file that will replace the finished one. The process
//    that writes it holds a lock (flock) on it. The two count as one file, the larger.
// Unfinished files stay while somebody holds their lock. Nobody has continued the others for a day
// if they are older than that, and they are removed. The file `name` and its ".tmp" do not count,
// and stay.
Room MakeRoom(const CacheOptions& options, const std::string& name, std::uint64_t bytes);

// Returns why a file of so many bytes has no room: "it takes …". `option` sets the limit.
std::string DescribeLackOfRoom(const CacheOptions& options, const Room& room, std::uint64_t bytes,
                               const std::string& option);

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
