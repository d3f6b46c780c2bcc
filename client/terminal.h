// Where output goes, and what it may look like there.
#pragma once

#include <istream>
#include <ostream>
#include <string>
#include <string_view>

#include "common/base/utf8.h"

namespace layernas::client {

struct Terminal {
  // Results. What may be lost is looked for with FlushOutput.
  std::ostream& out;
  // Messages about how it went.
  std::ostream& err;
  // Standard output is a terminal that lines can be redrawn on.
  bool interactive = false;
  bool color = false;
  // Where answers to questions come from; null where nobody can be asked.
  std::istream* answers = nullptr;

  // The encoding is UTF-8.
  bool unicode = true;
  // Standard output is a terminal that lines cannot be redrawn on, as far as TERM says.
  bool dumb = false;

  // Standard output, through an OutputBuffer, and error. Colours where standard output is a terminal and NO_COLOR is
  // not set; ASCII where LC_ALL, LC_CTYPE or LANG, the first that is set, names another encoding than UTF-8.
  static Terminal Standard();
  // Asks a question, as Shown() prints it, that is answered by y or yes. True without a question where nobody can be
  // asked.
  bool Confirm(const std::string& question) const;
  // A text from elsewhere as it is printed: Printable, and in ASCII where the encoding asks for it.
  std::string Shown(std::string_view text, Unprintable as = Unprintable::kMark) const;
  // Whether standard output is any terminal: texts from elsewhere must not steer it, whatever TERM says.
  bool IsScreen() const { return interactive || dumb; }
  // Columns, at least 20; 80 where that is not known.
  int Columns() const;
};

}  // namespace layernas::client
