// The commands of a program with their options, as its own parser knows them: so that what is written about them can't
// be stale.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace layernas::client {

struct OptionInfo {
  // "-o", "--output"; of a positional argument its name.
  std::vector<std::string> names;
  bool positional = false;
  bool required = false;
  // "N [100]", "table|json|csv"; empty for a flag.
  std::string value;
  // Where the value is one of few.
  std::vector<std::string> choices;
  std::string description;
};

struct CommandInfo {
  // "layernas", "search", "submit".
  std::vector<std::string> path;
  std::string description;
  // Examples, exit codes.
  std::string footer;
  std::vector<OptionInfo> options;
  // Names and descriptions of the commands below it.
  std::vector<std::pair<std::string, std::string>> commands;
};

// The program itself first, a command before those below it.
std::vector<CommandInfo> CommandTree(const CLI::App& program);

std::string FirstSentence(const std::string& text);

}  // namespace layernas::client
