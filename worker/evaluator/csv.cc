#include "worker/evaluator/csv.h"

#include <utility>

#include "common/base/status_macros.h"

namespace layernas {
namespace {

class Parser {
 public:
  Parser(std::string_view text, std::string_view name) : rest_(text), name_(name) {}

  absl::StatusOr<CsvTable> Parse() {
    if (rest_.substr(0, 3) == "\xef\xbb\xbf") rest_.remove_prefix(3);
    CsvTable table;
    while (!rest_.empty()) {
      CsvRow row{line_, {}};
      LAYERNAS_ASSIGN_OR_RETURN(row.cells, Row());
      if (row.cells.size() == 1 && row.cells.front().empty()) continue;
      if (table.columns.empty()) {
        table.columns = std::move(row.cells);
        continue;
      }
      if (row.cells.size() != table.columns.size()) {
        return Invalid(row.line, "the row has " + std::to_string(row.cells.size()) + " cells, the header has " +
                                     std::to_string(table.columns.size()));
      }
      table.rows.push_back(std::move(row));
    }
    if (table.columns.empty()) return Invalid(1, "no header: the file is empty");
    return table;
  }

 private:
  absl::Status Invalid(int line, const std::string& why) const {
    return absl::InvalidArgumentError(name_ + ":" + std::to_string(line) + ": " + why);
  }

  // Parses one row and its line end.
  absl::StatusOr<std::vector<std::string>> Row() {
    std::vector<std::string> cells;
    while (true) {
      LAYERNAS_ASSIGN_OR_RETURN(std::string cell, Cell());
      cells.push_back(std::move(cell));
      if (!rest_.empty() && rest_.front() == ',') {
        rest_.remove_prefix(1);
        continue;
      }
      if (rest_.substr(0, 2) == "\r\n") rest_.remove_prefix(1);
      if (!rest_.empty()) rest_.remove_prefix(1);
      ++line_;
      return cells;
    }
  }

  // Parses one cell, up to the comma, the line end or the end of the text after it.
  absl::StatusOr<std::string> Cell() {
    if (rest_.empty() || rest_.front() != '"') {
      std::string_view cell = rest_.substr(0, rest_.find_first_of(",\n"));
      rest_.remove_prefix(cell.size());
      if (!cell.empty() && cell.back() == '\r') {
        cell.remove_suffix(1);
      }
      return std::string(cell);
    }
    const int start = line_;
    std::string cell;
    rest_.remove_prefix(1);
    while (true) {
      const std::size_t quote = rest_.find('"');
      if (quote == std::string_view::npos) return Invalid(start, "a quote is not closed");
      for (const char c : rest_.substr(0, quote)) line_ += c == '\n' ? 1 : 0;
      cell += rest_.substr(0, quote);
      rest_.remove_prefix(quote + 1);
      if (rest_.empty() || rest_.front() != '"') break;
      cell += '"';
      rest_.remove_prefix(1);
    }
    if (!rest_.empty() && rest_.front() != ',' && rest_.front() != '\n' && rest_.substr(0, 2) != "\r\n") {
      return Invalid(line_, "unexpected text after a closing quote");
    }
    return cell;
  }

  std::string_view rest_;
  const std::string name_;
  int line_ = 1;
};

}  // namespace

absl::StatusOr<CsvTable> ParseCsv(std::string_view text, std::string_view name) { return Parser(text, name).Parse(); }

}  // namespace layernas
