// How an architecture is written for people and on the wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace layernas {

// The characters that stand for options 0, 1, … where one character per layer is enough.
inline constexpr std::string_view kOptionDigits = "0123456789abcdefghijklmnopqrstuvwxyz";

// The options' indices in layer order: one character each where no layer has more than 36 options ("01a2"), else
// numbers joined by dashes ("0-1-40"). `max_options`: of the layer with the most options.
inline std::string FormatArchitectureId(std::span<const std::uint16_t> choices, std::size_t max_options) {
  std::string id;
  for (const std::uint16_t choice : choices) {
    if (max_options <= kOptionDigits.size()) {
      id += kOptionDigits[choice];
    } else {
      if (!id.empty()) id += '-';
      id += std::to_string(choice);
    }
  }
  return id;
}

}  // namespace layernas
