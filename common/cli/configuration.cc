#include "common/cli/configuration.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/cli/configuration_file.h"
#include "common/help/arguments.h"
#include "common/network/closest.h"
#include "common/process/command_line.h"

namespace layernas::cli {
namespace {

CLI::ConfigError Wrong(const std::string& message) { return CLI::ConfigError(message, CLI::ExitCodes::ConfigError); }

// Treats an empty variable as not set.
std::string Environment(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  return value == nullptr ? "" : value;
}

// Returns the value of --config, or an empty text. Throws CLI::ConfigError if the value is empty.
std::string FileOf(const std::vector<std::string>& arguments) {
  std::string file;
  CLI::App finder;
  finder.set_help_flag();
  finder.allow_extras();
  finder.add_option("--config", file);
  try {
    const std::vector<std::string> split = SplitEmptyValues(arguments);
    finder.parse(std::vector<std::string>(split.rbegin(), split.rend()));
  } catch (const CLI::ParseError&) {
    // The parser of the program reports the mistake.
    return "";
  }
  if (file.empty() && finder.count("--config") > 0)
    throw Wrong("--config: is empty; omit the option to use the default");
  return file;
}

// Throws CLI::ExtrasError if an argument was not expected, as CLI11 does after all callbacks.
void RefuseExtras(const CLI::App& app) {
  if (!app.get_allow_extras() && !app.get_prefix_command() && app.remaining_size() > 0) {
    throw CLI::ExtrasError(app.get_name(), app.remaining());
  }
  for (const CLI::App* command : app.get_subcommands()) RefuseExtras(*command);
}

// Returns what is wrong with the values of a flag, or an empty text. CLI11 would also take numbers
// and other words. On the command line, a flag may be repeated.
std::string WhyWrongFlag(const std::vector<std::string>& values, bool may_repeat) {
  if (values.size() > 1 && !may_repeat) return "must be true or false, is a list";
  for (const std::string& value : values) {
    if (value != "true" && value != "false") return absl::StrCat("must be true or false, is \"", value, "\"");
  }
  return "";
}

}  // namespace

std::string Configuration::Setting::Variable() const {
  return absl::StrCat("LAYERNAS_", absl::AsciiStrToUpper(absl::StrReplaceAll(name, {{"-", "_"}})));
}

bool Configuration::Setting::IsList() const { return options.front()->get_items_expected_max() > 1; }

bool Configuration::Setting::IsFlag() const { return options.front()->get_items_expected_max() == 0; }

bool Configuration::Setting::IsEmpty(const std::vector<std::string>& given) const {
  if (given.empty()) return true;
  if (IsFlag() || may_be_empty) return false;
  return std::any_of(given.begin(), given.end(), [](const std::string& one) { return one.empty(); });
}

Configuration::Configuration(CLI::App& app, ConfigurationFiles files) : app_(app), files_(std::move(files)) {
  Collect(app);
  app.add_option("--config",
                 "YAML file with option values, by option name without dashes; environment variables take precedence "
                 "(--token-file: LAYERNAS_TOKEN_FILE)")
      ->option_text(absl::StrCat("FILE (env ", files_.variable, ")"))
      ->configurable(false);
  // Runs last, after all other options have been checked.
  app.add_flag_callback(
         "--print-config",
         [this] {
           prints_ = true;
           RefuseExtras(app_);
           RefuseWrongValues();
           throw CLI::CallForVersion(Text(), 0);
         },
         "Print all option values and their sources as a file for --config, and exit")
      ->configurable(false);
}

void Configuration::Parse(const std::vector<std::string>& arguments) {
  std::exception_ptr wrong;
  try {
    Load(arguments);
  } catch (const CLI::ConfigError&) {
    // Help must work anyway.
    wrong = std::current_exception();
  }
  try {
    // CLI11 reads them in reverse order.
    const std::vector<std::string> split = SplitEmptyValues(arguments);
    app_.parse(std::vector<std::string>(split.rbegin(), split.rend()));
  } catch (const CLI::Success&) {
    // The values would not be those of the file.
    if (wrong && prints_) std::rethrow_exception(wrong);
    throw;
  } catch (const CLI::ParseError&) {
    // Options can be missing because the file is wrong.
    if (!wrong) throw;
  }
  if (wrong) std::rethrow_exception(wrong);
  RefuseWrongValues();
}

void Configuration::AllowEmpty(const std::string& name) { Find(name)->may_be_empty = true; }

bool Configuration::IsGiven(const std::string& name) {
  const Setting& setting = *Find(name);
  return !setting.source.empty() || std::any_of(setting.options.begin(), setting.options.end(),
                                                [](const CLI::Option* option) { return option->count() > 0; });
}

void Configuration::RefuseWrongValues() const {
  std::set<std::string> allowed;
  for (const Setting& setting : settings_) {
    if (setting.may_be_empty) allowed.insert(setting.name);
  }
  if (const std::string why = FindWrongOption(app_, allowed); !why.empty()) {
    throw CLI::ValidationError(why, CLI::ExitCodes::ValidationError);
  }
  for (const Setting& setting : settings_) {
    if (!setting.IsFlag()) continue;
    for (const CLI::Option* option : setting.options) {
      const std::string why = WhyWrongFlag(option->results(), /*may_repeat=*/true);
      if (why.empty()) continue;
      throw CLI::ValidationError(absl::StrCat("--", setting.name, ": ", why), CLI::ExitCodes::ValidationError);
    }
  }
}

std::string Configuration::Locate(const std::string& message) const {
  for (const Setting& setting : settings_) {
    const bool on_command_line = std::any_of(setting.options.begin(), setting.options.end(),
                                             [](const CLI::Option* option) { return option->count() > 0; });
    if (!setting.source.empty() && !on_command_line && message.starts_with(absl::StrCat("--", setting.name, ": "))) {
      return absl::StrCat(setting.source, ": ", message);
    }
  }
  return message;
}

void Configuration::Collect(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (!option->get_configurable() || option->get_lnames().empty() || option == app.get_help_ptr()) continue;
    const std::string& name = option->get_lnames().front();
    if (Setting* known = Find(name)) {
      known->options.push_back(option);
    } else {
      settings_.push_back({name, {option}, {}, {}});
    }
  }
  for (CLI::App* command : app.get_subcommands({})) Collect(*command);
}

Configuration::Setting* Configuration::Find(const std::string& name) {
  const auto found =
      std::find_if(settings_.begin(), settings_.end(), [&](const Setting& setting) { return setting.name == name; });
  return found == settings_.end() ? nullptr : &*found;
}

void Configuration::Load(const std::vector<std::string>& arguments) {
  std::string file = FileOf(arguments);
  if (file.empty()) file = Environment(files_.variable);
  for (const std::string& each : files_.defaults) {
    std::error_code ignored;
    if (file.empty() && std::filesystem::exists(each, ignored)) file = each;
  }
  if (!file.empty()) ReadFile(file);
  ReadEnvironment();
  for (const Setting& setting : settings_) {
    if (!setting.source.empty()) Apply(setting);
  }
}

void Configuration::ReadFile(const std::string& path) {
  absl::StatusOr<std::vector<FileSetting>> lines = ReadConfigurationFile(path);
  if (!lines.ok()) throw Wrong(std::string(lines.status().message()));
  for (FileSetting& line : *lines) {
    Setting* const setting = Find(line.key);
    if (setting == nullptr) {
      std::vector<std::string> names;
      for (const Setting& each : settings_) names.push_back(each.name);
      throw Wrong(absl::StrCat(line.place, ": ", line.key, ": is not a valid option in a configuration file",
                               DidYouMean(line.key, names)));
    }
    if (setting->IsEmpty(line.values)) {
      throw Wrong(absl::StrCat(line.place, ": ", line.key, ": has no value; remove the line to use the default"));
    }
    setting->values = std::move(line.values);
    setting->source = std::move(line.place);
  }
}

void Configuration::ReadEnvironment() {
  for (Setting& setting : settings_) {
    const std::string value = Environment(setting.Variable());
    // A list of nothing but spaces is as empty as a variable without a value.
    if (value.empty() || (setting.IsList() && value.find_first_not_of(" \t\n") == std::string::npos)) continue;
    setting.source = setting.Variable();
    setting.values = {value};
    if (!setting.IsList()) continue;
    // Several values, separated by spaces.
    absl::StatusOr<std::vector<std::string>> words = SplitCommand(value);
    if (!words.ok()) throw Wrong(absl::StrCat(setting.source, ": ", std::string(words.status().message())));
    setting.values = *std::move(words);
  }
}

void Configuration::Apply(const Setting& setting) {
  for (CLI::Option* option : setting.options) {
    const std::string why = setting.IsFlag() ? WhyWrongFlag(setting.values, /*may_repeat=*/false)
                                             : WhyWrong(*option, setting.values, setting.may_be_empty);
    if (!why.empty()) throw Wrong(absl::StrCat(setting.source, ": --", setting.name, ": ", why));
    try {
      option->add_result(setting.values);
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      throw Wrong(absl::StrCat(setting.source, ": ", error.what()));
    }
    // Clear the option for the command line, which is parsed next.
    option->clear();
    option->required(false);
    if (!setting.IsFlag()) option->default_str(CLI::detail::join(setting.values, " "));
  }
}

std::string Configuration::Text() const {
  std::vector<std::string> lines;
  for (const Setting& setting : settings_) {
    std::vector<std::string> values = setting.values;
    std::string source = setting.source;
    if (source.empty()) {
      source = "default";
      const std::string text = setting.IsFlag() ? "false" : setting.options.front()->get_default_str();
      if (!setting.IsList()) values = {text};
    }
    for (const CLI::Option* option : setting.options) {
      if (option->count() == 0) continue;
      values = option->results();
      source = "command line";
    }
    if (setting.IsEmpty(values)) {
      lines.push_back(absl::StrCat("# ", setting.name, ":  # ", source));
      continue;
    }
    YAML::Emitter out;
    out << YAML::BeginMap << YAML::Key << setting.name << YAML::Value;
    if (setting.IsList()) {
      out << YAML::Flow << values;
    } else {
      out << values.back();
    }
    out << YAML::Comment(source) << YAML::EndMap;
    lines.emplace_back(out.c_str());
  }
  return absl::StrJoin(lines, "\n");
}

int PrintAndExitCode(const CLI::App& app, const CLI::ParseError& end) {
  if (app.exit(end) != 0) return 2;
  if (std::cout.flush()) return 0;
  std::cerr << app.get_name() << ": cannot write to standard output\n";
  return 1;
}

}  // namespace layernas::cli
