#include "common/help/arguments.h"

namespace layernas {

std::vector<std::string> SplitEmptyValues(const std::vector<std::string>& arguments) {
  std::vector<std::string> split;
  bool only_positionals = false;
  for (const std::string& argument : arguments) {
    only_positionals = only_positionals || argument == "--";
    const bool is_option = argument.size() > 3 && argument.compare(0, 2, "--") == 0;
    if (!only_positionals && is_option && argument.find('=') == argument.size() - 1) {
      split.push_back(argument.substr(0, argument.size() - 1));
      split.emplace_back();
    } else {
      split.push_back(argument);
    }
  }
  return split;
}

std::string WhyWrong(const CLI::Option& option, const std::vector<std::string>& values, bool may_be_empty) {
  const bool is_unsigned = option.get_type_name().compare(0, 4, "UINT") == 0;
  const bool is_number = is_unsigned || option.get_type_name().compare(0, 3, "INT") == 0;
  for (const std::string& value : values) {
    if (value.empty() && !may_be_empty) return "is empty; omit the option to use the default";
    if (!is_number || value.empty()) continue;
    if (is_unsigned && value[0] == '-') return "must not be negative, is " + value;
    const std::size_t digits = value[0] == '-' || value[0] == '+' ? 1 : 0;
    if (value.size() > digits + 1 && value[digits] == '0') return "must not begin with a zero, is " + value;
  }
  return "";
}

std::string FindWrongOption(const CLI::App& app, const std::set<std::string>& may_be_empty) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || option->get_lnames().empty() || option->get_items_expected_max() == 0) continue;
    const std::string& name = option->get_lnames().front();
    const std::string why = WhyWrong(*option, option->results(), may_be_empty.count(name) > 0);
    if (!why.empty()) return "--" + name + ": " + why;
  }
  for (const CLI::App* command : app.get_subcommands()) {
    if (std::string why = FindWrongOption(*command, may_be_empty); !why.empty()) return why;
  }
  return "";
}

}  // namespace layernas
