// Reads figures of the machine and its processes from the kernel (/proc).
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace layernas::bench {

// Ticks since boot, summed over all cores.
struct MachineTicks {
  std::uint64_t idle = 0;
  std::uint64_t all = 0;
};

MachineTicks ReadMachineTicks();
// Returns the share of all cores' time between the two samples in which nothing ran; 0 to 1.
double IdleShare(const MachineTicks& begin, const MachineTicks& end);

// Returns the user and system time of a process and its threads so far; 0 if there is no such
// process.
double ReadCpuSeconds(pid_t pid);
// Returns the resident memory in bytes; 0 if there is no such process.
std::uint64_t ReadResidentBytes(pid_t pid);
// Returns the maximum resident memory so far.
std::uint64_t ReadPeakResidentBytes(pid_t pid);

}  // namespace layernas::bench
