// Text from programs and files that may not be UTF-8, for protobuf strings, which must be.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace layernas {

// At most max_bytes of the text, with each byte that is not part of well-formed UTF-8 made a question mark. No
// character is cut in half.
std::string CutUtf8(std::string_view text, std::size_t max_bytes);

// The end of well-formed UTF-8, at most max_bytes of it. No character is cut in half.
std::string_view LastOfUtf8(std::string_view text, std::size_t max_bytes);

// The text, or where it is longer than max_bytes, its first `first` bytes, "…", and as much of its end as fits. An
// error's first words say what has happened, its last ones why.
std::string ShortenUtf8(std::string_view text, std::size_t first, std::size_t max_bytes);

}  // namespace layernas
