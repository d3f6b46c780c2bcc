// The arguments of a program, as CLI11 should read them.
#pragma once

#include <string>
#include <vector>

namespace layernas {

// Splits "--option=" into the option and an empty value. CLI11 would take the next argument for its
// value.
std::vector<std::string> SplitEmptyValues(const std::vector<std::string>& arguments);

}  // namespace layernas
