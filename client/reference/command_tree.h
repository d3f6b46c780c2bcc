// The commands and options of a program, read from its command line parser, so that generated
// documentation cannot be out of date.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace layernas::client {

struct OptionInfo {
  // For example "-o", "--output"; the name of a positional argument.
  std::vector<std::string> names;
  bool positional = false;
  bool required = false;
  // For example "N [100]", "table|json|csv"; empty for a flag.
  std::string value;
  // The valid values, if there is a fixed list.
  std::vector<std::string> choices;
  std::string description;
};

struct CommandInfo {
  // For example "layernas", "search", "submit".
  std::vector<std::string> path;
  std::string description;
  // Examples and exit codes.
  std::string footer;
  std::vector<OptionInfo> options;
  // Names and descriptions of the subcommands.
  std::vector<std::pair<std::string, std::string>> commands;
};

// Returns the program first, and each command before its subcommands.
std::vector<CommandInfo> CommandTree(const CLI::App& program);

std::string FirstSentence(const std::string& text);

}  // namespace layernas::client
