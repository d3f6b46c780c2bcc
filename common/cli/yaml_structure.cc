#include "common/cli/yaml_structure.h"

#include <yaml-cpp/eventhandler.h>

#include <sstream>
#include <vector>

namespace layernas::cli {
namespace {

// A comment that is put after the text. Only a quote that is never closed makes it a part of a value.
constexpr char kEnd[] = "# the end of the text, 5d0c6a51";

// Collects the positions of documents and of unclosed quotes.
class StructureHandler final : public YAML::EventHandler {
 public:
  const std::vector<YAML::Mark>& documents() const { return documents_; }
  const YAML::Mark& open_quote() const { return open_quote_; }

  void OnDocumentStart(const YAML::Mark& mark) override { documents_.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string& value) override {
    if (value.find(kEnd) != std::string::npos) open_quote_ = mark;
  }
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  std::vector<YAML::Mark> documents_;
  YAML::Mark open_quote_ = YAML::Mark::null_mark();
};

// The first line that begins with a percent sign and is no directive, counted from 1; 0: there is none.
int PercentLine(const std::string& text) {
  std::istringstream in(text);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    // A byte order mark.
    if (number == 1 && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);
    const bool is_directive = line.starts_with("%YAML ") || line.starts_with("%TAG ");
    if (line.starts_with('%') && !is_directive) return number;
  }
  return 0;
}

}  // namespace

YamlStructure FindStructure(const std::string& text) {
  YamlStructure structure;
  structure.percent_line = PercentLine(text);
  if (structure.percent_line != 0) return structure;
  {
    StructureHandler handler;
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
  StructureHandler handler;
  std::istringstream in(text);
  YAML::Parser parser(in);
  // Not YAML::LoadAll: for a comma in place of a value, it creates documents without end.
  while (handler.documents().size() < 2 && parser.HandleNextDocument(handler)) {
  }
  if (handler.documents().size() < 2) return structure;
  structure.second_document = handler.documents()[1];
  if (structure.second_document.pos == handler.documents()[0].pos) {
    throw YAML::ParserException(structure.second_document, "a value cannot begin here");
  }
  return structure;
}

}  // namespace layernas::cli
