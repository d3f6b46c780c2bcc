#include "common/base/wire_name.h"

#include <algorithm>

#include "common/base/task_limits.h"
#include "common/base/utf8.h"

namespace layernas {

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string WhyNoText(std::string_view text) {
  if (HasControlCharacter(text)) return "must not hold control characters";
  if (CutUtf8(text, text.size()) != text) return "is not UTF-8";
  return "";
}

std::string WhyNoName(std::string_view name, std::size_t min) {
  if (name.size() < min) return "must not be empty";
  if (name.size() > kMaxNameBytes) {
    return "has " + std::to_string(name.size()) + " bytes; the maximum is " + std::to_string(kMaxNameBytes);
  }
  return WhyNoText(name);
}

}  // namespace layernas
