#include "common/base/crash_point.h"

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

namespace layernas {
namespace {

struct Crash {
  std::string name;
  std::atomic<long> left{0};
};

// Returns the crash that the environment asks for. Never destroyed: other threads may pass a crash
// point until the process ends.
Crash& Planned() {
  static Crash& crash = *new Crash;
  static const bool read = [] {
    const char* const text = std::getenv("LAYERNAS_CRASH_AT");
    const std::string_view plan = text == nullptr ? "" : text;
    const std::size_t colon = plan.rfind(':');
    long count = 0;
    if (colon == std::string_view::npos) return false;
    std::from_chars(plan.data() + colon + 1, plan.data() + plan.size(), count);
    crash.name = plan.substr(0, colon);
    crash.left = count;
    return true;
  }();
  static_cast<void>(read);
  return crash;
}

}  // namespace

void CrashPoint(const char* name) {
  Crash& crash = Planned();
  if (crash.name.empty() || crash.name != name) return;
  if (--crash.left == 0) std::_Exit(kCrashExitCode);
}

}  // namespace layernas
