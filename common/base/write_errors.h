// Makes writes fail with an error instead of a signal that ends the program. Uses only C++17 and no
// absl, because the trainer includes it. Child processes do not inherit these settings (see
// process/spawn.cc).
#pragma once

#include <csignal>

namespace layernas {

// Makes writes beyond the maximum file size (ulimit -f) fail with EFBIG. Without this call, SIGXFSZ
// kills the program without a message. Call this first in main(), before any thread starts.
inline void IgnoreFileSizeSignal() { (void)std::signal(SIGXFSZ, SIG_IGN); }

// Makes writes to a pipe or connection without a reader fail with EPIPE. Call it like
// IgnoreFileSizeSignal().
inline void IgnorePipeSignal() { (void)std::signal(SIGPIPE, SIG_IGN); }

}  // namespace layernas
