#include "common/base/read_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace layernas {

absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t max_bytes) {
  constexpr std::size_t kChunk = 64 << 10;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::NotFoundError(std::generic_category().message(errno));
  std::string text;
  int error = 0;
  while (text.size() < max_bytes) {
    const std::size_t begin = text.size();
    text.resize(begin + std::min(kChunk, max_bytes - begin));
    const ssize_t count = read(file, text.data() + begin, text.size() - begin);
    if (count < 0) error = errno;
    text.resize(begin + (count > 0 ? static_cast<std::size_t>(count) : 0));
    if (count == 0 || (count < 0 && error != EINTR)) break;
    error = 0;
  }
  close(file);
  if (error != 0) return absl::UnknownError(std::generic_category().message(error));
  return text;
}

}  // namespace layernas
