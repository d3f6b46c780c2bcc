#include "worker/trainer/unfinished_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

constexpr char kUnfinished[] = ".tmp";

[[noreturn]] void CannotWrite(const fs::path& path, int error) {
  throw MachineError("cannot write " + path.string() + ": " + std::strerror(error));
}

// Returns true for temporary names of files with the extension of `file`: NAME.EXTENSION.PID.tmp. The
// next attempt at a killed training writes a file with another name.
bool IsUnfinished(const fs::path& path, const fs::path& file) {
  const fs::path stem = path.stem();
  const std::string process = stem.extension().string();
  return path.extension() == kUnfinished && stem.stem().extension() == file.extension() && process.size() > 1 &&
         process.find_first_not_of("0123456789", 1) == std::string::npos;
}

void RemoveLeftBehind(const fs::path& file) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(file.parent_path(), error)) {
    if (!IsUnfinished(entry.path(), file)) continue;
    const FileDescriptor left(open(entry.path().c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (left.get() >= 0 && flock(left.get(), LOCK_EX | LOCK_NB) == 0) fs::remove(entry.path(), error);
  }
}

// Creates the file and locks it. Another process that looks for files that were left behind can lock it
// first and remove it.
int CreateLocked(const fs::path& path) {
  while (true) {
    const int created = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (created < 0) CannotWrite(path, errno);
    // Some network file systems have no locks. There, nothing can be recognised as left behind.
    flock(created, LOCK_EX);
    struct stat locked = {};
    struct stat named = {};
    const bool is_there = fstat(created, &locked) == 0 && stat(path.c_str(), &named) == 0;
    if (is_there && locked.st_ino == named.st_ino && locked.st_dev == named.st_dev) return created;
    close(created);
  }
}

// Returns the name of the temporary file in a folder that is ready for it.
fs::path Prepare(const fs::path& file) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  RemoveLeftBehind(file);
  return file.string() + "." + std::to_string(getpid()) + kUnfinished;
}

}  // namespace

UnfinishedFile::UnfinishedFile(fs::path file, const std::string& bytes)
    : file_(std::move(file)), unfinished_(Prepare(file_)), descriptor_(CreateLocked(unfinished_)) {
  try {
    Write(bytes);
  } catch (const MachineError&) {
    unlink(unfinished_.c_str());
    throw;
  }
}

UnfinishedFile::~UnfinishedFile() {
  if (!is_finished_) unlink(unfinished_.c_str());
}

void UnfinishedFile::Write(const std::string& bytes) const {
  // An earlier process with this number may have left it behind.
  if (ftruncate(descriptor_.get(), 0) != 0) CannotWrite(unfinished_, errno);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = write(descriptor_.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno != EINTR) CannotWrite(unfinished_, errno);
    if (count > 0) done += static_cast<std::size_t>(count);
  }
}

void UnfinishedFile::Finish() {
  // Otherwise a power cut could leave an empty file of this name.
  if (fsync(descriptor_.get()) != 0) CannotWrite(unfinished_, errno);
  if (rename(unfinished_.c_str(), file_.c_str()) != 0) CannotWrite(file_, errno);
  is_finished_ = true;
  const FileDescriptor folder(open(file_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot sync a folder (EINVAL).
  if (folder.get() < 0 || (fsync(folder.get()) != 0 && errno != EINVAL)) CannotWrite(file_, errno);
}

}  // namespace layernas::trainer
