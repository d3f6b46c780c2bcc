# Run at each build (common/build_info). Writes OUTPUT, which defines Build() with VERSION,
# BUILD_TYPE and COMMIT. Without COMMIT, it uses the commit that is checked out in SOURCE_DIR.
if(NOT COMMIT)
  set(COMMIT unknown)
  find_program(GIT git)
  # If an archive is unpacked inside another repository, git would return that repository's commit.
  if(GIT AND EXISTS "${SOURCE_DIR}/.git")
    execute_process(
      COMMAND ${GIT} -C ${SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude=*
      RESULT_VARIABLE failed OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT failed)
      set(COMMIT ${described})
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY NEWLINE_STYLE LF CONTENT [[
#include "common/build_info/build_info.h"

namespace layernas {

const BuildInfo& Build() {
  static constexpr BuildInfo kBuild = {"@VERSION@", "@COMMIT@", "@BUILD_TYPE@"};
  return kBuild;
}

}  // namespace layernas
]])
