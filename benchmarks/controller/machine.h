// What the kernel knows of the machine and its processes (/proc).
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace layernas::bench {

// Since boot, over all cores, in clock ticks.
struct MachineTicks {
  std::uint64_t idle = 0;
  std::uint64_t all = 0;
};

MachineTicks ReadMachineTicks();
// Of all cores' time between the two, the share in which nothing ran; 0 to 1.
double IdleShare(const MachineTicks& begin, const MachineTicks& end);

// User and system time of a process and its threads so far; 0 if there is no such process.
double ReadCpuSeconds(pid_t pid);
// Resident memory in bytes; 0 if there is no such process.
std::uint64_t ReadResidentBytes(pid_t pid);
// The most that it ever was.
std::uint64_t ReadPeakResidentBytes(pid_t pid);

}  // namespace layernas::bench
