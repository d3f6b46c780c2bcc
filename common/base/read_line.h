// Reads files of users, which can have lines of any length.
#pragma once

#include <cstddef>
#include <istream>
#include <string>

namespace layernas {

// Reads a line as std::getline does, but at most max_bytes + 1 bytes of it: a device such as
// /dev/zero has one line without end. The caller must refuse a line of more than max_bytes, because
// the next call continues within it. Returns false at the end of the stream.
inline bool ReadLine(std::istream& in, std::string& line, std::size_t max_bytes) {
  line.clear();
  for (char c; line.size() <= max_bytes && in.get(c);) {
    if (c == '\n') return true;
    line.push_back(c);
  }
  return !line.empty();
}

}  // namespace layernas
