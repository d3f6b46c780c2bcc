// Formats numbers for users, without loss of precision.
#pragma once

#include <string>

namespace layernas {

// Returns the shortest text that reads back as the same number, in the form that people use:
// 40000000 and 4.5, not 4e+07. Very small and very large numbers have an exponent.
std::string FormatNumber(double value);

}  // namespace layernas
