#include "common/base/processors.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace layernas {
namespace {

namespace fs = std::filesystem;

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

int AffinityCount() {
  // The kernel refuses a set that is smaller than its own.
  for (std::size_t size = 1024; size <= (std::size_t{1} << 20); size *= 2) {
    cpu_set_t* set = CPU_ALLOC(size);
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(size);
    const int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Version 2 has one file, "QUOTA PERIOD"; the quota "max" means unlimited.
double QuotaOfMax(const fs::path& file) {
  std::ifstream in(file);
  std::string quota;
  double period = 0;
  if (!(in >> quota >> period) || quota == "max" || period <= 0) return kUnlimited;
  return std::strtod(quota.c_str(), nullptr) / period;
}

// Version 1 has a file for each value; the quota -1 means unlimited.
double QuotaOfCfs(const fs::path& folder) {
  std::ifstream quota_file(folder / "cpu.cfs_quota_us"), period_file(folder / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return kUnlimited;
  return quota / period;
}

// Returns the quota, in processors, of the cgroup at `path` below `mount` and all its parents.
double Quota(const fs::path& mount, fs::path path) {
  double quota = kUnlimited;
  for (path = path.relative_path();; path = path.parent_path()) {
    const fs::path folder = mount / path;
    quota = std::min({quota, QuotaOfMax(folder / "cpu.max"), QuotaOfCfs(folder)});
    if (path.empty()) return quota;
  }
}

bool HasController(const std::string& list, const std::string& name) {
  std::istringstream names(list);
  for (std::string item; std::getline(names, item, ',');) {
    if (item == name) return true;
  }
  return false;
}

}  // namespace

int UsableProcessors(const fs::path& root) {
  double quota = kUnlimited;
  // The lines are "NUMBER:CONTROLLERS:PATH". Version 2 has no controllers.
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && !HasController(controllers, "cpu")) continue;
    quota = std::min(quota, Quota(root / "sys/fs/cgroup" / controllers, line.substr(second + 1)));
  }
  return std::max(1, static_cast<int>(std::min<double>(std::ceil(quota), AffinityCount())));
}

}  // namespace layernas
