// The clock of the benchmarks: other load on the machine affects it little.
#pragma once

#include <ctime>

namespace layernas::bench {

// Returns the processor time of all threads of this process; resolution 1 us.
inline double CpuSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace layernas::bench
