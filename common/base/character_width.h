// Width of characters on a terminal, independent of the locale.
#pragma once

#include <cstdint>

namespace layernas {

// Returns the columns of a printable character: 0 for one that combines with the character before,
// 2 for an East Asian wide character and most emoji, 1 for any other.
int CharacterWidth(std::uint32_t code);

}  // namespace layernas
