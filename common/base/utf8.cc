#include "common/base/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>

#include "common/base/character_width.h"

namespace layernas {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Returns the size of the well-formed character at the start of the text; 0 if there is none. The
// bounds on the second byte exclude overlong forms, surrogates and values over U+10FFFF (Unicode,
// table 3-7).
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

// `character` must be well-formed.
std::uint32_t CodePoint(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first;
  std::uint32_t code = first & (0x7fU >> character.size());
  for (const char c : character.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3f);
  return code;
}

bool IsPrintable(std::uint32_t code) {
  struct Range {
    std::uint32_t first;
    std::uint32_t last;
  };
  constexpr Range kUnprintable[] = {{0, 0x1f},        {0x7f, 0x9f},     {0x061c, 0x061c},
                                    {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069},
                                    {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};
  return std::none_of(std::begin(kUnprintable), std::end(kUnprintable),
                      [code](const Range& range) { return code >= range.first && code <= range.last; });
}

std::string Escaped(std::uint32_t code) {
  char text[16];
  if (code == '\n') return "\\n";
  std::snprintf(text, sizeof text, code < 0x80 ? "\\x%02x" : "\\u%04x", static_cast<unsigned>(code));
  return text;
}

}  // namespace

std::string Printable(std::string_view text, Unprintable as) {
  std::string printable;
  printable.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = CharacterSize(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(size, 1));
    const bool stays = as == Unprintable::kMarkInLines && (character.front() == '\n' || character.front() == '\t');
    if (stays || (size > 0 && IsPrintable(CodePoint(character)))) {
      printable += character;
    } else if (as != Unprintable::kEscape) {
      printable += '?';
    } else if (size > 0) {
      printable += Escaped(CodePoint(character));
    } else {
      char byte[8];
      std::snprintf(byte, sizeof byte, "\\x%02x", static_cast<unsigned char>(character.front()));
      printable += byte;
    }
    text.remove_prefix(character.size());
  }
  return printable;
}

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

std::string_view FirstColumns(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t size = CharacterSize(text.substr(end));
    const std::size_t width =
        size == 0 ? 1 : static_cast<std::size_t>(CharacterWidth(CodePoint(text.substr(end, size))));
    if (width > columns) break;
    columns -= width;
    end += std::max<std::size_t>(size, 1);
  }
  return text.substr(0, end);
}

std::size_t Width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const std::size_t size = CharacterSize(text);
    width += size == 0 ? 1 : static_cast<std::size_t>(CharacterWidth(CodePoint(text.substr(0, size))));
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return width;
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
