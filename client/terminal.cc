#include "client/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "client/output_buffer.h"

namespace layernas::client {
namespace {

bool IsSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

}  // namespace

Terminal Terminal::Standard() {
  const char* term = std::getenv("TERM");
  const bool capable = term != nullptr && std::string_view(term) != "dumb";
  static OutputBuffer buffer(STDOUT_FILENO);
  static std::ostream out(&buffer);
  const bool interactive = ::isatty(STDOUT_FILENO) == 1 && capable;
  return {out, std::cerr, interactive, interactive && !IsSet("NO_COLOR")};
}

int Terminal::Columns() const {
  winsize size = {};
  if (!interactive || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return std::max<int>(size.ws_col, 20);
}

}  // namespace layernas::client
