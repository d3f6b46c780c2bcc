#include "client/local/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace layernas::client {
namespace {

Fd OpenForAppending(const std::string& path) {
  return Fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogFile>> LogFile::Open(const std::string& path, std::size_t max_bytes) {
  Fd file = OpenForAppending(path);
  struct stat info = {};
  if (!file.valid() || ::fstat(file.get(), &info) != 0) {
    return absl::UnknownError(absl::StrCat("cannot open ", path, ": ", std::generic_category().message(errno)));
  }
  return std::unique_ptr<LogFile>(
      new LogFile(path, max_bytes, std::move(file), static_cast<std::size_t>(info.st_size)));
}

void LogFile::Write(std::string_view line) {
  const std::string text = absl::StrCat(std::string(line), "\n");
  if (size_ > 0 && size_ + text.size() > max_bytes_) Rotate();
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t count = ::write(file_.get(), rest.data(), rest.size());
    if (count < 0 && errno != EINTR) return;
    if (count <= 0) continue;
    rest.remove_prefix(static_cast<std::size_t>(count));
    size_ += static_cast<std::size_t>(count);
  }
}

void LogFile::Rotate() {
  const std::string older = path_ + ".1";
  Fd next;
  if (std::rename(path_.c_str(), older.c_str()) == 0) next = OpenForAppending(path_);
  // Limits the size also if no new file can be created.
  if (next.valid()) {
    file_ = std::move(next);
  } else if (::ftruncate(file_.get(), 0) != 0) {
    return;
  }
  size_ = 0;
}

}  // namespace layernas::client
