#include "common/process/replace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <system_error>

#include "common/process/fd.h"

namespace layernas {
namespace {

constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
constexpr mode_t kMode = 0666;

absl::Status Failed(const std::string& path, int error) {
  const std::string message = "cannot write " + path + ": " + std::generic_category().message(error);
  return error == EEXIST ? absl::AlreadyExistsError(message) : absl::UnknownError(message);
}

// The error of a new file at `created`, with which `path` is written. Whether a file can be created
// depends on its folder, so the message names the folder: the file itself may be writable.
absl::Status FailedToCreate(const std::string& path, const std::string& created, int error) {
  if (error != EACCES && error != EROFS) return Failed(path, error);
  std::string folder = std::filesystem::path(created).parent_path().string();
  if (folder.empty()) folder = ".";
  return absl::UnknownError("cannot write " + path + ": no file can be created in the folder " + folder + ": " +
                            std::generic_category().message(error));
}

// Writes and closes the file. Returns the error number, 0 for success.
int WriteAll(Fd file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t count = ::write(file.get(), content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  // Network file systems report only on close that the disk is full.
  return ::close(file.Release()) == 0 ? 0 : errno;
}

std::string RandomSuffix() {
  std::random_device random;
  char text[32];
  std::snprintf(text, sizeof text, ".%08x%08x.tmp", random(), random());
  return text;
}

}  // namespace

absl::Status ReplaceFile(const std::string& path, std::string_view content) {
  struct stat replaced = {};
  const bool is_ours =
      ::stat(path.c_str(), &replaced) == 0 && S_ISREG(replaced.st_mode) && replaced.st_uid == ::geteuid();
  // Next to the target, because a rename is only atomic within one file system.
  const std::string temporary = path + RandomSuffix();
  Fd file(::open(temporary.c_str(), kNew, kMode));
  if (!file.valid()) return FailedToCreate(path, temporary, errno);
  // Keep the access restrictions of the replaced file.
  if (is_ours) ::fchmod(file.get(), replaced.st_mode & 0777);
  int error = WriteAll(std::move(file), content);
  if (error == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return absl::OkStatus();
  ::unlink(temporary.c_str());
  return Failed(path, error);
}

absl::Status WriteOutputFile(const std::string& path, std::string_view content) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISREG(status.st_mode)) {
      std::error_code error;
      const std::filesystem::path target = std::filesystem::canonical(path, error);
      return error ? Failed(path, error.value()) : ReplaceFile(target.string(), content);
    }
    Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.valid()) return Failed(path, errno);
    const int error = WriteAll(std::move(file), content);
    return error == 0 ? absl::OkStatus() : Failed(path, error);
  }
  return ReplaceFile(path, content);
}

absl::Status CheckFolder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path there = fs::absolute(folder, error).lexically_normal();
  while (!fs::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  const std::string message = "cannot write to directory " + folder + ": " + there.string();
  if (!fs::is_directory(there, error)) return absl::FailedPreconditionError(message + " is not a directory");
  if (::access(there.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(message + ": " + std::generic_category().message(errno));
}

absl::Status WriteNewFile(const std::string& path, std::string_view content) {
  Fd file(::open(path.c_str(), kNew, kMode));
  if (!file.valid()) return FailedToCreate(path, path, errno);
  const int error = WriteAll(std::move(file), content);
  if (error == 0) return absl::OkStatus();
  ::unlink(path.c_str());
  return Failed(path, error);
}

}  // namespace layernas
