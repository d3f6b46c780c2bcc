// Standard input, output and error as they should be. For the trainer too, and so C++17 and without absl.
#pragma once

#include <fcntl.h>
#include <unistd.h>

namespace layernas {

// Gives the place of a standard stream that is closed (as by `2>&-`) to /dev/null: it would be the next file or
// connection that is opened, and be written into. Of a file that is opened for reading, a write fails and is reported.
// To be called first of all in main().
inline void FillStandardStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) < 0) (void)!::open("/dev/null", O_RDONLY);
  }
}

}  // namespace layernas
