// The data of a report page, as JSON.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>

#include "client/report/search_data.h"

namespace layernas::client {

// Maximum candidates that are drawn and listed; more are thinned out evenly. The frontier and the
// best candidates are always kept, and all statistics use all candidates.
inline constexpr std::size_t kMaxCandidatesShown = 20000;

// Returns an object for client/report/page/main.js. Numbers are rounded to seven digits; a number
// that is not finite is null. Candidates are stored as columns instead of objects.
nlohmann::ordered_json ReportData(const SearchData& data, std::size_t max_candidates = kMaxCandidatesShown);

}  // namespace layernas::client
