#include "client/spec/spec_reader.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/spec/cost_table.h"
#include "client/spec/message_reader.h"
#include "common/base/read_file.h"
#include "common/base/utf8.h"
#include "common/cli/yaml_structure.h"

namespace layernas::client {
namespace {

constexpr std::size_t kMaxSpecBytes = 4 << 20;

// Returns the number of bytes at the start of `text` that are valid UTF-8.
std::size_t ValidUtf8Length(std::string_view text) {
  const std::string repaired = CutUtf8(text, text.size());
  return static_cast<std::size_t>(std::mismatch(text.begin(), text.end(), repaired.begin(), repaired.end()).first -
                                  text.begin());
}

// Returns the first character that no spec may contain, and its offset: control characters other
// than tabs and line feeds, and line breaks that YAML's versions read differently.
std::optional<std::pair<std::size_t, char32_t>> OddCharacter(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if ((byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f) return std::pair(i, char32_t{byte});
    const std::string_view rest = text.substr(i);
    // U+0080 to U+009F.
    if (byte == 0xc2 && static_cast<unsigned char>(rest[1]) < 0xa0) {
      return std::pair(i, static_cast<char32_t>(static_cast<unsigned char>(rest[1])));
    }
    for (const auto& [bytes, code] : {std::pair<std::string_view, char32_t>("\xe2\x80\xa8", 0x2028),
                                      std::pair<std::string_view, char32_t>("\xe2\x80\xa9", 0x2029),
                                      std::pair<std::string_view, char32_t>("\xef\xbf\xbe", 0xfffe),
                                      std::pair<std::string_view, char32_t>("\xef\xbf\xbf", 0xffff),
                                      std::pair<std::string_view, char32_t>("\xef\xbb\xbf", 0xfeff)}) {
      if (rest.starts_with(bytes) && (code != 0xfeff || i > 0)) return std::pair(i, code);
    }
  }
  return std::nullopt;
}

Position PositionAt(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t line_start = before.rfind('\n');
  return {static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<int>(offset - (line_start == std::string_view::npos ? 0 : line_start + 1)) + 1};
}

bool StartsWithTab(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) text.remove_prefix(std::min(text.size(), text.find('\n') + 1));
  return text.starts_with('\t');
}

void Parse(std::string_view text, SpecFile& file) {
  try {
    const cli::YamlStructure structure = cli::FindStructure(std::string(text));
    if (structure.percent_line != 0) {
      file.mistakes.push_back({{structure.percent_line, 1}, "", "is not valid YAML: a line cannot begin with %"});
      return;
    }
    if (const YAML::Mark& quote = structure.open_quote; !quote.is_null()) {
      file.mistakes.push_back(
          {{quote.line + 1, quote.column + 1}, "", "is not valid YAML: this quote is never closed"});
      return;
    }
    if (const YAML::Mark& key = structure.key_without_colon; !key.is_null()) {
      file.mistakes.push_back({{key.line + 1, key.column + 1}, "", "is not valid YAML: no colon follows this key"});
      return;
    }
    if (const YAML::Mark& second = structure.second_document; !second.is_null()) {
      file.mistakes.push_back(
          {{second.line + 1, second.column + 1}, "", "begins a second YAML document: put one search into each file"});
      return;
    }
    const YAML::Node document = YAML::Load(std::string(text));
    if (document.IsNull()) {
      file.mistakes.push_back({{}, "", "is empty: describe a search, starting with 'name: my-search'"});
      return;
    }
    MessageReader(file.positions, file.mistakes).ReadMessage(document, "", file.spec);
  } catch (const YAML::DeepRecursion&) {
    file.mistakes.push_back({{}, "", "is nested too deeply"});
  } catch (const YAML::Exception& error) {
    const Position position = error.mark.is_null() ? Position{} : Position{error.mark.line + 1, error.mark.column + 1};
    file.mistakes.push_back({position, "",
                             absl::StrCat("is not valid YAML: ", error.msg,
                                          StartsWithTab(text, position.line) ? "; indent with spaces, not tabs" : "")});
  }
}

void AddCosts(const std::string& path, SpecFile& file) {
  const auto table = ReadCostTable(path);
  const absl::Status status = table.ok() ? ApplyCostTable(*table, file.spec) : table.status();
  if (status.ok()) return;
  file.mistakes.push_back(
      {{}, "", absl::StrCat("cannot be used with --costs ", path, ": ", std::string(status.message()))});
}

bool IsWithin(const std::string& inner, const std::string& outer) {
  return inner.starts_with(outer) &&
         (inner.size() == outer.size() || inner[outer.size()] == '.' || inner[outer.size()] == '[');
}

// Returns true if the violation may be only a consequence of a value that was misread.
bool FollowsFrom(const spec::Violation& violation, const std::vector<Mistake>& misread,
                 const std::set<std::string>& around, const FieldPositions& positions) {
  if (!positions.Contains(violation.field)) {
    // A field is missing. An unknown name next to it may be that field, misspelled.
    std::string container = ContainerOf(violation.field);
    while (!container.empty() && !positions.Contains(container)) container = ContainerOf(container);
    if (around.contains(container)) return true;
  }
  return std::any_of(misread.begin(), misread.end(), [&](const Mistake& mistake) {
    return IsWithin(violation.field, mistake.field) || IsWithin(mistake.field, violation.field);
  });
}

void AddViolations(SpecFile& file) {
  const std::vector<Mistake> misread = file.mistakes;
  std::set<std::string> around;
  for (const Mistake& mistake : misread) around.insert(ContainerOf(mistake.field));
  std::vector<spec::Violation> violations = spec::ValidateSpec(file.spec);
  // As the controller does, which stores the spec with its defaults.
  if (violations.empty()) violations = spec::ValidateSpec(spec::WithDefaults(file.spec));
  for (const spec::Violation& violation : violations) {
    if (FollowsFrom(violation, misread, around, file.positions)) continue;
    file.mistakes.push_back(Locate(file, violation));
  }
}

}  // namespace

SpecFile ReadSpecText(std::string name, std::string_view text, const std::string& cost_table) {
  SpecFile file;
  file.name = std::move(name);
  if (text.size() > kMaxSpecBytes) {
    file.mistakes.push_back({{}, "", "is larger than 4 MiB: a spec describes layers and options, not data"});
    return file;
  }
  if (const std::size_t valid = ValidUtf8Length(text); valid < text.size()) {
    file.mistakes.push_back({PositionAt(text, valid), "", "is not UTF-8 text"});
    return file;
  }
  if (const auto odd = OddCharacter(text)) {
    file.mistakes.push_back({PositionAt(text, odd->first), "",
                             absl::StrFormat("has the character U+%04X, which no spec may contain",
                                             static_cast<std::uint32_t>(odd->second))});
    return file;
  }
  Parse(text, file);
  if (file.mistakes.empty() && !cost_table.empty()) AddCosts(cost_table, file);
  // A mistake without a field concerns the whole file; further checks make no sense.
  const bool readable = std::none_of(file.mistakes.begin(), file.mistakes.end(),
                                     [](const Mistake& mistake) { return mistake.field.empty(); });
  if (readable) AddViolations(file);
  std::stable_sort(file.mistakes.begin(), file.mistakes.end(), [](const Mistake& a, const Mistake& b) {
    return std::pair(a.position.line, a.position.column) < std::pair(b.position.line, b.position.column);
  });
  return file;
}

SpecFile ReadSpecFile(const std::string& path, const std::string& cost_table) {
  // Reads one byte beyond the maximum to detect a file that is too large.
  constexpr std::size_t kMaxRead = kMaxSpecBytes + 1;
  if (path == "-") {
    std::string text(kMaxRead, '\0');
    std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::cin.gcount()));
    return ReadSpecText("standard input", text, cost_table);
  }
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxRead);
  if (text.ok()) return ReadSpecText(path, *text, cost_table);
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  SpecFile file;
  file.name = path;
  file.mistakes.push_back({{},
                           "",
                           absl::StrCat("cannot be read: ", is_folder ? "it is a directory; give the spec file in it"
                                                                      : text.status().message())});
  return file;
}

Mistake Locate(const SpecFile& file, const spec::Violation& violation) {
  return {file.positions.Find(violation.field), violation.field, violation.message};
}

}  // namespace layernas::client
