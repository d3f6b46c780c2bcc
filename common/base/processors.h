// How many processors this process may use. C++17 on the standard library, because the trainer uses it too.
#pragma once

#include <filesystem>

namespace layernas {

// Returns the number of processors of the process's affinity mask (taskset, cpusets), or fewer if the quota of its
// cgroup, or of one above, allows less processor time; a part of a processor counts as a whole. At least 1. `root`
// holds the files of Linux: /proc/self/cgroup and /sys/fs/cgroup; versions 1 and 2 are read. Thread-safe.
int UsableProcessors(const std::filesystem::path& root = "/");

}  // namespace layernas
