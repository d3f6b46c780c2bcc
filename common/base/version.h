#pragma once

#include <string_view>

namespace layernas {

// Of this build, as in "0.1.0".
std::string_view Version();

}  // namespace layernas
