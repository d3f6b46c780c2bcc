#include "common/help/arguments.h"

#include <algorithm>

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

std::string FindEmptyOption(const CLI::App& app, const std::set<std::string>& allowed) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || option->get_lnames().empty() || option->get_items_expected_max() == 0) continue;
    const std::string& name = option->get_lnames().front();
    const std::vector<std::string>& values = option->results();
    if (allowed.count(name) == 0 && std::find(values.begin(), values.end(), "") != values.end()) return name;
  }
  for (const CLI::App* command : app.get_subcommands()) {
    if (const std::string name = FindEmptyOption(*command, allowed); !name.empty()) return name;
  }
  return "";
}

}  // namespace layernas
