// The lines of the progress view, apart from how they get onto a terminal.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "layernas/v1/search.pb.h"

namespace layernas::client {

// `[#######-------------]`, `columns` wide; `done` out of `total`, which is above 0.
std::string ProgressBar(double done, double total, int columns);

// How the search stands, a line each, none wider than `columns`.
std::vector<std::string> ProgressLines(const v1::Search& search, std::chrono::seconds elapsed, int columns);

}  // namespace layernas::client
