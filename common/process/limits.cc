#include "common/process/limits.h"

#include <sys/resource.h>

#include <algorithm>

namespace layernas {
namespace {

// Beyond it lie "unlimited" and the like, which some libraries take for a number to count to.
constexpr rlim_t kMost = 1 << 20;

}  // namespace

void RaiseOpenFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kMost));
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace layernas
