// What the page of a report draws, as JSON.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>

#include "client/report/search_data.h"

namespace layernas::client {

// More candidates than this are thinned out evenly in what is drawn and listed; the frontier and the bests stay, and
// whatever is computed is so of all.
inline constexpr std::size_t kMostCandidatesShown = 20000;

// An object that client/report/page/main.js reads; numbers rounded to seven digits, what is not finite is null. Columns
// rather than objects where there is one entry per candidate.
nlohmann::ordered_json ReportData(const SearchData& data, std::size_t most_candidates = kMostCandidatesShown);

}  // namespace layernas::client
