// Comma-separated values with a header (RFC 4180).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace layernas {

struct CsvRow {
  // The number of the row's first line, from 1.
  int line = 0;
  std::vector<std::string> cells;
};

struct CsvTable {
  std::vector<std::string> columns;
  // Each row has as many cells as there are columns.
  std::vector<CsvRow> rows;
};

// Parses a CSV text with a header. Quoted cells may contain commas, doubled quotes and line feeds.
// Empty lines and a byte order mark are skipped. INVALID_ARGUMENT starts with "NAME:LINE: ".
absl::StatusOr<CsvTable> ParseCsv(std::string_view text, std::string_view name);

}  // namespace layernas
