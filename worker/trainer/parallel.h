// Runs independent pieces of work on several threads.
#pragma once

#include <cstddef>
#include <functional>

namespace layernas::trainer {

// Calls `work` once for each index below `count` on up to `threads` threads, including the
// caller's, and returns when all calls have returned. Indices start in ascending order. If a call
// throws, no further index is started, and this function throws the exception of the lowest index
// that threw. So the exception does not depend on the number of threads. `work` must be
// thread-safe.
void ForEachIndex(std::size_t count, int threads, const std::function<void(std::size_t index)>& work);

}  // namespace layernas::trainer
