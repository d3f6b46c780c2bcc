// The standard streams and the capabilities of the terminal.
#pragma once

#include <istream>
#include <ostream>
#include <string>
#include <string_view>

#include "common/base/utf8.h"

namespace layernas::client {

struct Terminal {
  // Stream for results. Use FlushOutput() to detect lost output.
  std::ostream& out;
  // Stream for messages.
  std::ostream& err;
  // Whether standard output is a terminal on which lines can be redrawn.
  bool interactive = false;
  bool color = false;
  // Stream for answers to questions; null if nobody can be asked.
  std::istream* answers = nullptr;

  // Whether the encoding is UTF-8.
  bool unicode = true;
  // Whether standard output is a terminal on which lines cannot be redrawn, according to TERM.
  bool dumb = false;

  // Returns standard output, through an OutputBuffer, and standard error. Uses colours if standard
  // output is a terminal and NO_COLOR is not set. Uses ASCII if the first of LC_ALL, LC_CTYPE and
  // LANG that is set names an encoding other than UTF-8.
  static Terminal Standard();
  // Asks a question, printed with Shown(). Returns whether the answer is y or yes. Returns true
  // without asking if nobody can be asked.
  bool Confirm(const std::string& question) const;
  // Returns external text in a form that is safe to print: see Printable(). Converts it to ASCII if
  // the encoding requires that.
  std::string Shown(std::string_view text, Unprintable as = Unprintable::kMark) const;
  // Returns whether standard output is a terminal, with any TERM. External text must not control
  // it.
  bool IsScreen() const { return interactive || dumb; }
  // Returns the number of columns: at least 20, or 80 if it is unknown.
  int Columns() const;
  // Returns the number of rows: at least 5, or 24 if it is unknown.
  int Rows() const;
};

}  // namespace layernas::client
