// Rows for people (aligned) and for programs (CSV), built once for both.
#pragma once

#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/utf8.h"

namespace layernas::client {

enum class Style { kPlain, kGood, kBad, kFaint };

struct Cell {
  // The same in both.
  static Cell Text(std::string text, Style style = Style::kPlain) { return {text, std::move(text), style, false}; }
  static Cell Value(double value);
  static Cell Count(double count);
  static Cell Empty() { return {}; }

  std::string human;
  std::string exact;
  Style style = Style::kPlain;
  bool align_right = false;
};

// Names for the columns of one table, no two of them the same: where names meet, what is added gets a prefix.
class ColumnNames {
 public:
  // `fixed`: the columns that every such table has.
  explicit ColumnNames(const std::vector<std::string>& fixed) : taken_(fixed.begin(), fixed.end()) {}
  // "cost", or "metric_cost" if there is a column "cost" already.
  std::string AddMetric(const std::string& name) { return Add(name, "metric_"); }
  std::string AddLayer(const std::string& name) { return Add(name, "layer_"); }

 private:
  std::string Add(std::string name, std::string_view prefix);

  std::set<std::string> taken_;
};

class Table {
 public:
  explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }

  // Text may come from anywhere in the fleet: see Printable(). Empty cells are shown as '-'.
  void Print(std::ostream& out, bool color) const;
  // RFC 4180, with a header. Fields are exact, unless they go to a terminal: see Printable().
  void PrintCsv(std::ostream& out, bool to_terminal) const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// `text` in the terminal's colours where `color` is set.
std::string Styled(std::string_view text, Style style, bool color);
// The message of a failure, which may have many lines, as one that is not long.
std::string OneLine(std::string_view text);
// Characters of UTF-8 text.
std::size_t Width(std::string_view text);

}  // namespace layernas::client
