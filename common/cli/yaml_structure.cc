#include "common/cli/yaml_structure.h"

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "absl/strings/str_split.h"

namespace layernas::cli {
namespace {

// A comment that is put after the text. Only a quote that is never closed makes it a part of a value.
constexpr char kEnd[] = "# the end of the text, 5d0c6a51";

// Returns whether a colon follows the key that begins at this place, or none is needed. It is in the
// same line.
bool HasColon(const std::vector<std::string>& lines, const YAML::Mark& key) {
  const auto row = static_cast<std::size_t>(key.line);
  const std::string& line = lines[row];
  const std::size_t column = std::min(static_cast<std::size_t>(key.column), line.size());
  // Behind a question mark, also in an earlier line, a key needs no colon.
  std::string before = line.substr(0, column);
  for (std::size_t i = row; i > 0 && before.find_first_not_of(" \t\r") == std::string::npos; --i) before = lines[i - 1];
  const std::size_t last = before.find_last_not_of(" \t\r");
  if (last != std::string::npos && before[last] == '?' && (last == 0 || before[last - 1] == ' ')) return true;
  std::string rest = line.substr(column) + " ";
  // An anchor or a tag.
  while (rest[0] == '&' || rest[0] == '!') {
    const std::size_t end = rest.find_first_not_of(' ', rest.find(' '));
    if (end == std::string::npos) return false;
    rest.erase(0, end);
  }
  const bool is_quoted = rest[0] == '"' || rest[0] == '\'';
  const std::size_t comment = rest.find(" #");
  if (!is_quoted && comment != std::string::npos) rest.erase(comment + 1);
  return rest.find(": ") != std::string::npos || rest.find(":\t") != std::string::npos ||
         rest.find(":\r") != std::string::npos;
}

// Collects the positions of documents, of unclosed quotes and of keys without a colon.
class StructureHandler final : public YAML::EventHandler {
 public:
  explicit StructureHandler(const std::string& text) : lines_(absl::StrSplit(text, '\n')) {}

  const std::vector<YAML::Mark>& documents() const { return documents_; }
  const YAML::Mark& open_quote() const { return open_quote_; }
  const YAML::Mark& key_without_colon() const { return key_without_colon_; }

  void OnDocumentStart(const YAML::Mark& mark) override { documents_.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {
    if (!containers_.empty() && !containers_.back().key.is_null() && key_without_colon_.is_null() &&
        !HasColon(lines_, containers_.back().key)) {
      key_without_colon_ = containers_.back().key;
    }
    Value();
  }
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override { Value(); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string& value) override {
    if (value.find(kEnd) != std::string::npos) open_quote_ = mark;
    Value(mark);
  }
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    Value();
    containers_.push_back({});
  }
  void OnSequenceEnd() override { containers_.pop_back(); }
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value style) override {
    Value();
    containers_.push_back({style == YAML::EmitterStyle::Block, true});
  }
  void OnMapEnd() override { containers_.pop_back(); }

 private:
  struct Container {
    bool is_block_mapping = false;
    bool expects_key = false;
    // The plain or quoted key whose value comes next, in a block mapping.
    YAML::Mark key = YAML::Mark::null_mark();
  };

  // A key, a value or an item begins.
  void Value(const YAML::Mark& scalar = YAML::Mark::null_mark()) {
    if (containers_.empty()) return;
    Container& container = containers_.back();
    container.key = container.is_block_mapping && container.expects_key ? scalar : YAML::Mark::null_mark();
    container.expects_key = !container.expects_key;
  }

  const std::vector<std::string> lines_;
  std::vector<Container> containers_;
  YAML::Mark key_without_colon_ = YAML::Mark::null_mark();
  std::vector<YAML::Mark> documents_;
  YAML::Mark open_quote_ = YAML::Mark::null_mark();
};

// The first line that begins with a percent sign and is no directive, counted from 1; 0: there is none.
// Directives come before the document, and a line of three dashes follows them.
int PercentLine(const std::string& text) {
  std::istringstream in(text);
  std::string line;
  bool is_before_document = true;
  int first_directive = 0;
  for (int number = 1; std::getline(in, line); ++number) {
    // A byte order mark.
    if (number == 1 && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);
    if (line.starts_with('%')) {
      const bool is_directive = line.starts_with("%YAML ") || line.starts_with("%TAG ");
      if (!is_directive || !is_before_document) return number;
      if (first_directive == 0) first_directive = number;
    } else if (line == "---" || line.starts_with("--- ") || line.starts_with("---\t") || line.starts_with("---\r")) {
      is_before_document = false;
    } else if (const std::size_t begin = line.find_first_not_of(" \t\r");
               is_before_document && begin != std::string::npos && line[begin] != '#') {
      if (first_directive != 0) return first_directive;
      is_before_document = false;
    }
  }
  return is_before_document ? first_directive : 0;
}

}  // namespace

YamlStructure FindStructure(const std::string& text) {
  YamlStructure structure;
  structure.percent_line = PercentLine(text);
  if (structure.percent_line != 0) return structure;
  {
    StructureHandler handler(text);
    std::istringstream in(text + "\n" + kEnd + "\n");
    YAML::Parser parser(in);
    try {
      while (handler.documents().size() < 2 && parser.HandleNextDocument(handler)) {
      }
    } catch (const YAML::Exception&) {
      // Thrown again below, with the position in the text itself.
    }
    structure.open_quote = handler.open_quote();
    if (!structure.open_quote.is_null()) return structure;
  }
  StructureHandler handler(text);
  std::istringstream in(text);
  YAML::Parser parser(in);
  // Not YAML::LoadAll: for a comma in place of a value, it creates documents without end.
  while (handler.documents().size() < 2 && parser.HandleNextDocument(handler)) {
  }
  structure.key_without_colon = handler.key_without_colon();
  if (handler.documents().size() < 2) return structure;
  structure.second_document = handler.documents()[1];
  if (structure.second_document.pos == handler.documents()[0].pos) {
    throw YAML::ParserException(structure.second_document, "a value cannot begin here");
  }
  return structure;
}

}  // namespace layernas::cli
