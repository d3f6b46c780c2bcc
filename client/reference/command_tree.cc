#include "client/reference/command_tree.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"

namespace layernas::client {
namespace {

// Returns the choices of "table|json|csv", or none if a part is a placeholder such as FILE.
std::vector<std::string> Choices(const std::string& value) {
  if (value.find('|') == std::string::npos) return {};
  const std::string list = value.substr(0, value.find(' '));
  if (list.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-|") != std::string::npos) return {};
  return absl::StrSplit(list, '|');
}

OptionInfo ToInfo(const CLI::Option& option) {
  OptionInfo info;
  info.positional = option.get_positional();
  info.required = option.get_required();
  info.description = option.get_description();
  if (info.positional) {
    info.names = {option.get_name(/*positional=*/true)};
    return info;
  }
  for (const std::string& name : option.get_snames()) info.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) info.names.push_back("--" + name);
  if (option.get_items_expected_max() > 0) {
    info.value = option.get_option_text().empty() ? "VALUE" : option.get_option_text();
    info.choices = Choices(info.value);
  }
  return info;
}

void Collect(const CLI::App& command, std::vector<std::string> path, std::vector<CommandInfo>& all) {
  path.push_back(command.get_name());
  CommandInfo info;
  info.path = path;
  info.description = command.get_description();
  info.footer = command.get_footer();
  for (const CLI::Option* option : command.get_options(nullptr)) info.options.push_back(ToInfo(*option));
  const std::vector<const CLI::App*> below = command.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* each : below) info.commands.emplace_back(each->get_name(), each->get_description());
  all.push_back(std::move(info));
  for (const CLI::App* each : below) Collect(*each, path, all);
}

}  // namespace

std::vector<CommandInfo> CommandTree(const CLI::App& program) {
  std::vector<CommandInfo> all;
  Collect(program, {}, all);
  return all;
}

std::string FirstSentence(const std::string& text) {
  const std::size_t end = std::min({text.find('\n'), text.find(". "), text.find(';'), text.size()});
  std::string sentence = text.substr(0, end);
  if (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

}  // namespace layernas::client
