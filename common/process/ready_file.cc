#include "common/process/ready_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#include "common/process/fd.h"

namespace layernas {
namespace {

absl::Status Failed(const std::string& path, int error) {
  return absl::InternalError("can't write " + path + ": " + std::generic_category().message(error));
}

}  // namespace

absl::Status WriteReadyFile(std::string_view path, std::string_view content) {
  const std::string target(path);
  // Beside the target, for a rename is atomic within one file system only.
  const std::string temporary = target + "." + std::to_string(getpid()) + ".tmp";
  Fd file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid()) return Failed(temporary, errno);
  while (!content.empty()) {
    const ssize_t count = write(file.get(), content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int error = errno;
      unlink(temporary.c_str());
      return Failed(temporary, error);
    }
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  file.Close();
  if (std::rename(temporary.c_str(), target.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    return Failed(target, error);
  }
  return absl::OkStatus();
}

}  // namespace layernas
