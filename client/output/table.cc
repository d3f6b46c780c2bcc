#include "client/output/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/output/units.h"
#include "common/base/utf8.h"

namespace layernas::client {
namespace {

void WriteCsvField(std::ostream& out, const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    out << text;
    return;
  }
  out << '"';
  for (const char c : text) {
    if (c == '"') out << '"';
    out << c;
  }
  out << '"';
}

}  // namespace

std::string ColumnNames::Add(std::string name, std::string_view prefix) {
  while (!taken_.insert(name).second) name.insert(0, prefix);
  return name;
}

Cell Cell::Value(double value) { return {FormatValue(value), FormatExact(value), Style::kPlain, true}; }

Cell Cell::Count(double count) { return {FormatCount(count), FormatExact(count), Style::kPlain, true}; }

std::string Styled(std::string_view text, Style style, bool color) {
  if (!color || style == Style::kPlain) return std::string(text);
  const char* code = style == Style::kGood ? "32" : style == Style::kBad ? "31" : "2";
  return absl::StrCat("\x1b[", code, "m", std::string(text), "\x1b[0m");
}

std::string OneLine(std::string_view text) {
  constexpr std::size_t kFirstBytes = 100;
  constexpr std::size_t kMaxBytes = 300;
  return ShortenUtf8(absl::StrReplaceAll(std::string(text), {{":\n", ": "}, {"\n", " | "}, {"\t", " "}}), kFirstBytes,
                     kMaxBytes);
}

void Table::AddRow(std::vector<Cell> cells) {
  for (Cell& cell : cells) cell.human = cell.human.empty() ? "-" : Printable(cell.human);
  rows_.push_back(std::move(cells));
}

void Table::Print(std::ostream& out, bool color) const {
  std::vector<std::size_t> widths;
  std::vector<bool> right(columns_.size(), false);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = Width(Printable(columns_[i]));
    for (const std::vector<Cell>& row : rows_) {
      width = std::max(width, Width(row[i].human));
      right[i] = right[i] || row[i].align_right;
    }
    widths.push_back(width);
  }
  const auto print_row = [&](const auto& text_of, const auto& style_of) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string text = text_of(i);
      const std::string padding(widths[i] - Width(text), ' ');
      if (i > 0) out << "  ";
      if (right[i]) out << padding;
      out << Styled(text, style_of(i), color);
      // Do not end a line with spaces.
      if (!right[i] && i + 1 < columns_.size()) out << padding;
    }
    out << '\n';
  };
  print_row([&](std::size_t i) { return Printable(columns_[i]); }, [](std::size_t) { return Style::kFaint; });
  for (const std::vector<Cell>& row : rows_) {
    print_row([&](std::size_t i) { return row[i].human; }, [&](std::size_t i) { return row[i].style; });
  }
}

void Table::PrintCsv(std::ostream& out, bool to_terminal) const {
  const auto write = [&out, to_terminal](const std::string& text) {
    WriteCsvField(out, to_terminal ? Printable(text) : text);
  };
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (i > 0) out << ',';
    write(columns_[i]);
  }
  out << '\n';
  for (const std::vector<Cell>& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) out << ',';
      write(row[i].exact);
    }
    out << '\n';
  }
}

}  // namespace layernas::client
