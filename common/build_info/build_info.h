// What this program was built from. Apart from common/base/version.h, because the commit changes often: only programs
// link this, and only they are linked anew. C++17 on the standard library, for the trainer says it too.
#pragma once

#include <string>
#include <string_view>

namespace layernas {

struct BuildInfo {
  // As in "0.1.0".
  std::string_view version;
  // The first 12 digits of the commit, with "-dirty" where files had been changed since; "unknown" where the sources
  // came without their history.
  std::string_view commit;
  // CMake's: "Release", "Debug".
  std::string_view build_type;
};

const BuildInfo& Build();

// What --version prints: "layernas-worker 0.1.0 (commit 0123456789ab, Release)".
std::string VersionText(std::string_view program);

}  // namespace layernas
