#include "client/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "client/output/units.h"
#include "client/output_buffer.h"

namespace layernas::client {
namespace {

bool IsSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

// Reads the variables directly, because setlocale() would change how numbers are read and written.
bool IsUtf8() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (!IsSet(variable)) continue;
    std::string locale = absl::AsciiStrToLower(std::getenv(variable));
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  // No variable is set: assume UTF-8, which nearly every terminal uses.
  return true;
}

}  // namespace

Terminal Terminal::Standard() {
  const char* term = std::getenv("TERM");
  const bool capable = term != nullptr && std::string_view(term) != "dumb";
  static OutputBuffer buffer(STDOUT_FILENO);
  static std::ostream out(&buffer);
  const bool screen = ::isatty(STDOUT_FILENO) == 1;
  const bool interactive = screen && capable;
  std::istream* answers = screen && ::isatty(STDIN_FILENO) == 1 ? &std::cin : nullptr;
  return {out, std::cerr, interactive, interactive && !IsSet("NO_COLOR"), answers, IsUtf8(), screen && !capable};
}

std::string Terminal::Shown(std::string_view text, Unprintable as) const {
  std::string shown = Printable(text, as);
  return unicode ? shown : ToAscii(shown);
}

bool Terminal::Confirm(const std::string& question) const {
  if (answers == nullptr) return true;
  out << Shown(question) << " [y/N] " << std::flush;
  std::string answer;
  std::getline(*answers, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

int Terminal::Columns() const {
  winsize size = {};
  if (!interactive || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return std::max<int>(size.ws_col, 20);
}

int Terminal::Rows() const {
  winsize size = {};
  if (!interactive || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return 24;
  return std::max<int>(size.ws_row, 5);
}

}  // namespace layernas::client
