// Independent pieces of work on several threads.
#pragma once

#include <cstddef>
#include <functional>

namespace layernas::trainer {

// Calls `work` once for each index below `count` on up to `threads` threads, the caller's among them, and returns when
// all calls have returned. Indices are begun in ascending order. If a call throws, no further index is begun, and the
// exception of the lowest index that threw is thrown here: it is the same whatever the number of threads. `work` must
// be thread-safe.
void ForEachIndex(std::size_t count, int threads, const std::function<void(std::size_t index)>& work);

}  // namespace layernas::trainer
