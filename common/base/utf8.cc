#include "common/base/utf8.h"

namespace layernas {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Bytes of the well-formed character that the text starts with; 0 if there is none. The bounds on the second byte leave
// out overlong forms, surrogates and what lies over U+10FFFF (Unicode, table 3-7).
std::size_t CharacterSize(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  std::size_t size = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    size = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    size = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    size = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (text.size() < size) return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  if (second < low || second > high) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  return size;
}

}  // namespace

std::string CutUtf8(std::string_view text, std::size_t max_bytes) {
  std::string result;
  while (!text.empty()) {
    const std::size_t size = CharacterSize(text);
    const std::string_view character = size == 0 ? std::string_view("?") : text.substr(0, size);
    if (result.size() + character.size() > max_bytes) break;
    result += character;
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return result;
}

std::string_view LastOfUtf8(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  text.remove_prefix(text.size() - max_bytes);
  while (!text.empty() && IsContinuation(text.front())) text.remove_prefix(1);
  return text;
}

std::string ShortenUtf8(std::string_view text, std::size_t first, std::size_t max_bytes) {
  constexpr std::string_view kCut = "…";
  if (text.size() <= max_bytes) return std::string(text);
  std::string shortened = CutUtf8(text, first);
  shortened += kCut;
  shortened += LastOfUtf8(text, max_bytes - shortened.size());
  return shortened;
}

}  // namespace layernas
