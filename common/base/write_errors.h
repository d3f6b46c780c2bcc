// Writes that fail with an error instead of a signal that ends the program. For the trainer too, and so C++17 and
// without absl. Child processes do not inherit this (process/spawn.cc).
#pragma once

#include <csignal>

namespace layernas {

// A write to a file beyond the limit of its size (ulimit -f) fails with EFBIG. Without this call SIGXFSZ kills the
// program without a word. To be called first in main(), before any thread is made.
inline void IgnoreFileSizeSignal() { (void)std::signal(SIGXFSZ, SIG_IGN); }

// A write to a pipe or connection that nobody reads fails with EPIPE. To be called as IgnoreFileSizeSignal().
inline void IgnorePipeSignal() { (void)std::signal(SIGPIPE, SIG_IGN); }

}  // namespace layernas
