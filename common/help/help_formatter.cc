#include "common/help/help_formatter.h"

#include <algorithm>
#include <cstddef>

namespace layernas {
namespace {

// CLI11 appends the text of each validator to the name of the type, such as "INT:INT in [1 - 9]".
std::string ValueName(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (const std::size_t brace = type.find('{'); brace != std::string::npos) {
    std::string choices = type.substr(brace + 1, type.find('}') - brace - 1);
    std::replace(choices.begin(), choices.end(), ',', '|');
    return choices;
  }
  if (type.find(":SIZE [") != std::string::npos) return "SIZE";
  const std::string plain = type.substr(0, type.find(":INT in ["));
  return plain == "INT" || plain == "UINT" ? "N" : plain;
}

}  // namespace

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  if (!option->get_option_text().empty()) return " " + option->get_option_text();
  if (option->get_positional()) return "";
  std::string text;
  if (option->get_type_size() != 0) {
    text += " " + ValueName(*option);
    const std::string& initial = option->get_default_str();
    if (!initial.empty() && initial != "[]") text += " [" + initial + "]";
    if (option->get_required()) text += " REQUIRED";
  }
  if (!option->get_envname().empty()) text += " (env " + option->get_envname() + ")";
  return text;
}

}  // namespace layernas
