// Tables as aligned text and as CSV, built once for both.
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
  // The same text in both forms.
  static Cell Text(std::string text, Style style = Style::kPlain) { return {text, std::move(text), style, false}; }
  static Cell Value(double value);
  static Cell Count(double count);
  static Cell Empty() { return {}; }

  std::string human;
  std::string exact;
  Style style = Style::kPlain;
  bool align_right = false;
};

// Unique column names of one table. A name that is taken gets a prefix.
class ColumnNames {
 public:
  // `fixed`: the columns that every such table has.
  explicit ColumnNames(const std::vector<std::string>& fixed) : taken_(fixed.begin(), fixed.end()) {}
  // For example "cost", or "metric_cost" if there is already a column "cost".
  std::string AddMetric(const std::string& name) { return Add(name, "metric_"); }
  std::string AddLayer(const std::string& name) { return Add(name, "layer_"); }

 private:
  std::string Add(std::string name, std::string_view prefix);

  std::set<std::string> taken_;
};

class Table {
 public:
  explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  // Requires one cell per column.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }

  // Prints text as Printable() does, because it can come from anywhere in the fleet. Shows empty
  // cells as '-'.
  void Print(std::ostream& out, bool color) const;
  // RFC 4180, with a header. Fields are exact, except on a terminal: see Printable().
  void PrintCsv(std::ostream& out, bool to_terminal) const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// Returns `text` in the terminal's colours if `color` is set.
std::string Styled(std::string_view text, Style style, bool color);
// Shortens the message of a failure, which can have many lines, to one line.
std::string OneLine(std::string_view text);

}  // namespace layernas::client
