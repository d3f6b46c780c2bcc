// Handles text from programs and files, which may not be UTF-8. Protobuf strings must be UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace layernas {

// Returns at most the first max_bytes of the text, without cutting a character in half. Replaces
// each byte that is not part of well-formed UTF-8 with a question mark.
std::string CutUtf8(std::string_view text, std::size_t max_bytes);

// How Printable() prepares foreign text for a terminal, a table or a log. It replaces everything
// that could control the terminal or disguise the text: control characters (C0, DEL, C1), marks
// that reverse the direction of writing, line and paragraph separators, tag characters, and bytes
// that are not well-formed UTF-8, including lone surrogates. All code that prints or logs uses this
// function; no other code decides what is printable.
enum class Unprintable {
  // Replaces each with a question mark.
  kMark,
  // Like kMark, but keeps line feeds and tabs, for texts of several lines.
  kMarkInLines,
  // Replaces each with an escape such as \x1b or \u202e, so that nothing is lost. For logs.
  kEscape,
};
std::string Printable(std::string_view text, Unprintable as = Unprintable::kMark);

// Returns the columns that the text takes on a terminal: see CharacterWidth(). A byte that is not
// part of well-formed UTF-8 takes one.
std::size_t Width(std::string_view text);
// Returns the start of the text that fits into `columns`.
std::string_view FirstColumns(std::string_view text, std::size_t columns);

// Returns the end of the text, at most max_bytes of it, without cutting a character in half. The
// text must be well-formed UTF-8.
std::string_view LastOfUtf8(std::string_view text, std::size_t max_bytes);

// Returns the text if it has at most max_bytes. Otherwise returns its first `first` bytes, "…", and
// as much of its end as fits: the first words of an error say what happened, and the last ones why.
std::string ShortenUtf8(std::string_view text, std::size_t first, std::size_t max_bytes);

}  // namespace layernas
