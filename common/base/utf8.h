// Text from programs and files that may not be UTF-8, for protobuf strings, which must be.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace layernas {

// At most max_bytes of the text, with each byte that is not part of well-formed UTF-8 made a question mark. No
// character is cut in half.
std::string CutUtf8(std::string_view text, std::size_t max_bytes);

// Text from elsewhere for a terminal, a table or a log: what could steer the terminal or hide what the text says is
// replaced. That is every control character (C0, DEL, C1), marks that reverse the direction of writing, line and
// paragraph separators, tag characters, and bytes that are not well-formed UTF-8, lone surrogates among them.
// Everything that prints or logs uses this function; no other decides what is printable.
enum class Unprintable {
  // Each is a question mark.
  kMark,
  // As kMark, but line feeds and tabs stay: for texts of several lines.
  kMarkInLines,
  // As \x1b or \u202e, so that nothing is lost: for logs.
  kEscape,
};
std::string Printable(std::string_view text, Unprintable as = Unprintable::kMark);

// The end of well-formed UTF-8, at most max_bytes of it. No character is cut in half.
std::string_view LastOfUtf8(std::string_view text, std::size_t max_bytes);

// The text, or where it is longer than max_bytes, its first `first` bytes, "…", and as much of its end as fits. An
// error's first words say what has happened, its last ones why.
std::string ShortenUtf8(std::string_view text, std::size_t first, std::size_t max_bytes);

}  // namespace layernas
