// What the benchmarks time by: other load on the machine adds little to it.
#pragma once

#include <ctime>

namespace layernas::bench {

// Processor time that this process has used, of all its threads; resolution 1 us.
inline double CpuSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace layernas::bench
