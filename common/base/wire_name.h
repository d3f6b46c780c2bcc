// The rules for names in calls between workers and controllers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace layernas {

// Returns true if the text contains a control character (C0 or DEL).
bool HasControlCharacter(std::string_view text);

// Returns an empty text if the text is UTF-8 without control characters. Otherwise returns what is
// wrong, in the words of WhyNoName().
std::string WhyNoText(std::string_view text);

// Returns an empty text if `name` is valid: `min` to kMaxNameBytes bytes of UTF-8 without control
// characters. Otherwise returns what is wrong, in words that follow the name's field in a message:
// "has 200 bytes; the maximum is 100". `min` is 0 if a name may be empty, else 1.
std::string WhyNoName(std::string_view name, std::size_t min = 1);

}  // namespace layernas
