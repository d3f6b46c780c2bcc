#include "common/base/number.h"

#include <array>
#include <charconv>
#include <cmath>

namespace layernas {

std::string FormatNumber(double value) {
  const double size = std::abs(value);
  const bool fixed = size == 0 || (size >= 1e-5 && size < 1e15);
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                 fixed ? std::chars_format::fixed : std::chars_format::general);
  return {text.data(), end.ptr};
}

}  // namespace layernas
