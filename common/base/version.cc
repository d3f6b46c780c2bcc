#include "common/base/version.h"

namespace layernas {

std::string_view Version() { return LAYERNAS_VERSION; }

}  // namespace layernas
