// Information about the build of this program. It is separate from common/base/version.h because
// the commit changes often: only programs link this library, so only they are linked again. Uses
// only C++17 and the standard library, because the trainer includes it.
#pragma once

#include <string>
#include <string_view>

namespace layernas {

struct BuildInfo {
  // For example "0.1.0".
  std::string_view version;
  // The first 12 digits of the commit, followed by "-dirty" if files had been changed since.
  // "unknown" if the sources have no history.
  std::string_view commit;
  // CMake's build type, such as "Release" or "Debug".
  std::string_view build_type;
};

const BuildInfo& Build();

// Returns the output of --version: "layernas-worker 0.1.0 (commit 0123456789ab, Release)".
std::string VersionText(std::string_view program);

}  // namespace layernas
