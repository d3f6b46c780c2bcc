// A report as one self-contained HTML file.
#pragma once

#include <string>

#include "client/report/search_data.h"

namespace layernas::client {

// Escapes all names and messages, so that the page shows them only as text.
std::string ReportPage(const SearchData& data);

}  // namespace layernas::client
