#include "common/build_info/build_info.h"

namespace layernas {

std::string VersionText(std::string_view program) {
  const BuildInfo& build = Build();
  std::string text(program);
  text.append(" ").append(build.version);
  text.append(" (commit ").append(build.commit);
  text.append(", ").append(build.build_type).append(")");
  return text;
}

}  // namespace layernas
