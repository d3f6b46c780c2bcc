// Where output goes, and what it may look like there.
#pragma once

#include <ostream>

namespace layernas::client {

struct Terminal {
  // Results. What may be lost is looked for with FlushOutput.
  std::ostream& out;
  // Messages about how it went.
  std::ostream& err;
  // Standard output is a terminal that lines can be redrawn on.
  bool interactive = false;
  bool color = false;

  // Standard output, through an OutputBuffer, and error. Colours where standard output is a terminal and NO_COLOR is
  // not set.
  static Terminal Standard();
  // Columns, at least 20; 80 where that is not known.
  int Columns() const;
};

}  // namespace layernas::client
