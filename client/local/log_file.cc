#include "client/local/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace layernas::client {

absl::StatusOr<std::unique_ptr<LogFile>> LogFile::Open(const std::string& path) {
  Fd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid()) {
    return absl::UnknownError(absl::StrCat("cannot open ", path, ": ", std::generic_category().message(errno)));
  }
  return std::unique_ptr<LogFile>(new LogFile(path, std::move(file)));
}

void LogFile::Write(std::string_view line) {
  const std::string text = absl::StrCat(std::string(line), "\n");
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t count = ::write(file_.get(), rest.data(), rest.size());
    if (count < 0 && errno != EINTR) return;
    if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace layernas::client
