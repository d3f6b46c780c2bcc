// Comma-separated values with a header (RFC 4180).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace layernas {

struct CsvRow {
  // Where it starts, from 1.
  int line = 0;
  std::vector<std::string> cells;
};

struct CsvTable {
  std::vector<std::string> columns;
  // Each with as many cells as there are columns.
  std::vector<CsvRow> rows;
};

// Quoted cells may hold commas, doubled quotes and line feeds; empty lines are skipped, and so is a byte order mark.
// INVALID_ARGUMENT starts with "NAME:LINE: ".
absl::StatusOr<CsvTable> ParseCsv(std::string_view text, std::string_view name);

}  // namespace layernas
