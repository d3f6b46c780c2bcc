// The lines of the progress view, apart from how they get onto a terminal.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "client/output/table.h"
#include "client/watch/watch_state.h"

namespace layernas::client {

// `[#######-------------]`, `columns` wide; `done` out of `total`, which is above 0.
std::string ProgressBar(double done, double total, int columns);

// ▁▃▂▅▇█: values from the lowest to the highest, in at most `columns` characters; where there are more values, the
// highest of each group. Empty for none.
std::string Sparkline(std::span<const double> values, int columns);

struct ProgressLine {
  std::string label;
  std::string text;
  Style style = Style::kPlain;
};

// How the search stands; label and text together are no wider than `columns`. In ASCII without `unicode`.
std::vector<ProgressLine> ProgressLines(const WatchState& state, std::chrono::system_clock::time_point now, int columns,
                                        bool unicode = true);
// As it is printed.
std::string ToText(const ProgressLine& line, bool color);

}  // namespace layernas::client
