// Makes sure that the standard streams are open. Uses only C++17 and no absl, because the trainer
// includes it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

namespace layernas {

// Opens /dev/null in place of each standard stream that is closed (as by `2>&-`). Otherwise the
// next file or connection would take its place, and output would be written into it. /dev/null is
// opened for reading, so that a write fails and is reported. Call this first in main().
inline void FillStandardStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) < 0) (void)!::open("/dev/null", O_RDONLY);
  }
}

}  // namespace layernas
