// A report as one HTML file that needs nothing else.
#pragma once

#include <string>

#include "client/report/search_data.h"

namespace layernas::client {

// Whatever stands in names and messages, it is text on the page and nothing more.
std::string ReportPage(const SearchData& data);

}  // namespace layernas::client
