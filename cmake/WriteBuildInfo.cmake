# Run at each build (common/build_info): writes OUTPUT, which defines Build() with VERSION, BUILD_TYPE and COMMIT, or else the
# commit that is checked out in SOURCE_DIR.
if(NOT COMMIT)
  set(COMMIT unknown)
  find_program(GIT git)
  # In an unpacked archive within somebody's repository, git would tell that one's commit.
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
