#include "common/security/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/process/fd.h"

namespace layernas::security {
namespace {

std::int64_t Nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

FileVersion ToVersion(const struct stat& status) {
  return {status.st_dev, status.st_ino, status.st_size, Nanoseconds(status.st_mtim), Nanoseconds(status.st_ctim)};
}

absl::Status Failed(const std::string& path, const char* what, int error) {
  const std::string message = absl::StrCat(path, ": cannot be ", what, ": ", std::generic_category().message(error));
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(message);
  if (error == EEXIST) return absl::AlreadyExistsError(message);
  return error == EACCES ? absl::PermissionDeniedError(message) : absl::InternalError(message);
}

}  // namespace

std::optional<FileVersion> VersionOf(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return ToVersion(status);
}

absl::StatusOr<FileContent> ReadFile(const std::string& path, std::size_t most_bytes, Privacy privacy) {
  // O_NONBLOCK avoids waiting for the other end of a pipe.
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status = {};
  if (!file.valid() || fstat(file.get(), &status) != 0) return Failed(path, "read", errno);
  if (!S_ISREG(status.st_mode)) return absl::InvalidArgumentError(path + ": is not a regular file");
  if (privacy == Privacy::kPrivate && (status.st_mode & S_IRWXO) != 0) {
    return absl::FailedPreconditionError(absl::StrFormat("%s: other users can access it (mode %04o); run chmod o= %s",
                                                         path, status.st_mode & 07777, path));
  }
  FileContent content;
  content.version = ToVersion(status);
  // One additional byte shows whether the file is too large.
  content.text.resize(most_bytes + 1);
  std::size_t size = 0;
  while (size < content.text.size()) {
    const ssize_t count = read(file.get(), content.text.data() + size, content.text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed(path, "read", errno);
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (size > most_bytes)
    return absl::InvalidArgumentError(absl::StrCat(path, ": is larger than ", most_bytes, " bytes"));
  content.text.resize(size);
  return content;
}

absl::Status WriteNewPrivateFile(const std::string& path, std::string_view text) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid()) return Failed(path, "written", errno);
  while (!text.empty()) {
    const ssize_t count = write(file.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      unlink(path.c_str());
      return Failed(path, "written", error);
    }
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return absl::OkStatus();
}

}  // namespace layernas::security
