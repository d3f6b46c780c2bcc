#pragma once

#include <string_view>

namespace layernas {

// Returns the version of this build, such as "0.1.0".
std::string_view Version();

}  // namespace layernas
