// The textual form of an architecture, as users see it and as the API uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace layernas {

// The characters for options 0, 1, …, used if one character per layer is enough.
inline constexpr std::string_view kOptionDigits = "0123456789abcdefghijklmnopqrstuvwxyz";

// Formats the options' indices in the order of the layers. If no layer has more than 36 options,
// each index is one character ("01a2"); otherwise the indices are numbers joined by dashes
// ("0-1-40"). `max_options` is the largest number of options of a layer.
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
