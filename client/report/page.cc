#include "client/report/page.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "client/output/json.h"
#include "client/output/search_text.h"
#include "client/report/report_data.h"
#include "common/base/utf8.h"

// The files of client/report/page, embedded by CMake.
extern const char kReportHtml[];
extern const char kReportCss[];
extern const char kReportJs[];

namespace layernas::client {
namespace {

std::string EscapeHtml(std::string_view text) {
  return absl::StrReplaceAll(std::string(text),
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

// Escapes JSON so that it cannot contain HTML markup such as "</script>" or "<!--".
std::string EscapeJson(std::string json) {
  return absl::StrReplaceAll(json, {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}});
}

// Fills in each {{mark}} of the template once. Inserted text is not searched for marks.
std::string Fill(std::string_view text, const std::vector<std::pair<std::string_view, std::string>>& marks) {
  std::string filled;
  for (const auto& [mark, value] : marks) {
    const std::size_t at = text.find(mark);
    filled.append(text.substr(0, at)).append(value);
    text.remove_prefix(at + mark.size());
  }
  return filled.append(text);
}

}  // namespace

std::string ReportPage(const SearchData& data) {
  // The page can also be printed on a terminal.
  std::string json = JsonText(ReportData(data), -1);
  return Fill(kReportHtml, {{"{{title}}", EscapeHtml(Printable(ShortName(data.search.name())))},
                            {"{{style}}", kReportCss},
                            {"{{data}}", EscapeJson(std::move(json))},
                            {"{{script}}", kReportJs}});
}

}  // namespace layernas::client
