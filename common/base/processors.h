// Counts the processors that this process may use. Uses only C++17 and the standard library,
// because the trainer includes it.
#pragma once

#include <filesystem>

namespace layernas {

// Returns the number of processors in the process's affinity mask (taskset, cpusets), or fewer if
// the quota of its cgroup, or of a parent cgroup, allows less processor time. A fraction of a
// processor counts as one. The result is at least 1. `root` is the folder with Linux's
// /proc/self/cgroup and /sys/fs/cgroup; both versions of cgroups are supported. Thread-safe.
int UsableProcessors(const std::filesystem::path& root = "/");

}  // namespace layernas
