// The lines of the progress view, independent of the terminal.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "client/output/table.h"
#include "client/watch/watch_state.h"

namespace layernas::client {

// Returns for example `[#######-------------]` with `columns` characters. `total` must be above 0.
std::string ProgressBar(double done, double total, int columns);

// Returns for example ▁▃▂▅▇█, from the lowest to the highest value, with at most `columns`
// characters. If there are more values, each character shows the maximum of a group. Empty for no
// values.
std::string Sparkline(std::span<const double> values, int columns);

struct ProgressLine {
  std::string label;
  std::string text;
  Style style = Style::kPlain;
};

// Returns the state of the search. Label and text together fit into `columns`. Uses only ASCII
// without `unicode`.
std::vector<ProgressLine> ProgressLines(const WatchState& state, std::chrono::system_clock::time_point now, int columns,
                                        bool unicode = true);
// If there are more lines than rows, the last row says how many are left out.
void FitInto(int rows, bool unicode, std::vector<ProgressLine>& lines);
// Returns the line as it is printed.
std::string ToText(const ProgressLine& line, bool color);

}  // namespace layernas::client
