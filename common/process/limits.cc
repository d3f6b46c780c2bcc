#include "common/process/limits.h"

#include <algorithm>
#include <optional>

#include "common/base/mutex.h"

namespace layernas {
namespace {

// Higher limits mean "unlimited". Some libraries loop over all numbers up to the limit.
constexpr rlim_t kMax = 1 << 20;

struct Inherited {
  Mutex mutex;
  std::optional<rlimit> limit ABSL_GUARDED_BY(mutex);
};

Inherited& GetInherited() {
  static Inherited* const inherited = new Inherited;
  return *inherited;
}

}  // namespace

rlim_t RaiseOpenFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kMax;
  Inherited& inherited = GetInherited();
  MutexLock lock(inherited.mutex);
  if (!inherited.limit) inherited.limit = limit;
  const rlim_t former = limit.rlim_cur;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, kMax));
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : former;
}

rlimit InheritedOpenFileLimit() {
  Inherited& inherited = GetInherited();
  MutexLock lock(inherited.mutex);
  if (inherited.limit) return *inherited.limit;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit;
}

}  // namespace layernas
