// What a name must be that workers and controllers tell each other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace layernas {

// C0 and DEL.
bool HasControlCharacter(std::string_view text);

// Empty if it is a name: `min` to kMaxNameBytes bytes of UTF-8 without control characters. Otherwise what is wrong with
// it, to follow the name's field in a message: "has 200 bytes; the maximum is 100". `min` is 0 where a name may be
// empty, else 1.
std::string WhyNoName(std::string_view name, std::size_t min = 1);

}  // namespace layernas
