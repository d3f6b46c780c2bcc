#include "client/reference/completion.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace layernas::client {
namespace {

// Shell command that prints the names of searches, newest first. It leaves out what is no such name:
// bash would execute parts of a text from a server that is not ours. A controller that does not
// answer must not block the shell.
constexpr char kSearches[] =
    "timeout 2 layernas search list -o csv 2>/dev/null | sed -nE '2,$s/^([a-z0-9-]+),.*/\\1/p'";

// Adds the names of files, which can contain blanks.
constexpr char kBashFiles[] = "mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$current\")";

// Returns whether the argument is the name of a search.
bool IsSearch(const OptionInfo& option) {
  static const std::set<std::string> kNames = {"NAME", "A", "B"};
  return option.positional && kNames.contains(option.names.front());
}

// For example "/search/submit"; empty for the program.
std::string Place(const CommandInfo& command) {
  std::string place;
  for (std::size_t i = 1; i < command.path.size(); ++i) absl::StrAppend(&place, "/", command.path[i]);
  return place;
}

std::vector<std::string> Words(const CommandInfo& command) {
  std::vector<std::string> words;
  for (const auto& [name, description] : command.commands) words.push_back(name);
  for (const OptionInfo& option : command.options) {
    if (!option.positional) words.insert(words.end(), option.names.begin(), option.names.end());
  }
  return words;
}

// Quotes the text with single quotes.
std::string Quote(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::string Places(const std::vector<CommandInfo>& tree) {
  std::vector<std::string> places;
  for (const CommandInfo& command : tree) {
    if (command.path.size() > 1) places.push_back(Place(command));
  }
  return absl::StrJoin(places, "|");
}

std::string Bash(const std::vector<CommandInfo>& tree) {
  std::string values;
  std::string words;
  for (const CommandInfo& command : tree) {
    for (const OptionInfo& option : command.options) {
      if (option.positional || option.value.empty()) continue;
      for (const std::string& name : option.names) {
        absl::StrAppend(&values, "    '", Place(command), " ", name, "') ");
        if (option.choices.empty()) {
          absl::StrAppend(&values, kBashFiles);
        } else {
          absl::StrAppend(&values, "COMPREPLY=($(compgen -W '", absl::StrJoin(option.choices, " "),
                          "' -- \"$current\"))");
        }
        absl::StrAppend(&values, "; return ;;\n");
      }
    }
    absl::StrAppend(&words, "    '", Place(command), "') COMPREPLY=($(compgen -W \"",
                    absl::StrJoin(Words(command), " "));
    const bool wants_search = std::any_of(command.options.begin(), command.options.end(), IsSearch);
    if (wants_search) absl::StrAppend(&words, " $([[ $current == -* ]] || ", kSearches, ")");
    absl::StrAppend(&words, "\" -- \"$current\"))");
    const bool wants_file = !wants_search && std::any_of(command.options.begin(), command.options.end(),
                                                         [](const OptionInfo& option) { return option.positional; });
    if (wants_file) absl::StrAppend(&words, "; [[ $current == -* ]] || ", kBashFiles);
    absl::StrAppend(&words, " ;;\n");
  }
  return absl::StrCat(
      "# Completion of layernas for bash: source it, or make it the file layernas in\n"
      "# ~/.local/share/bash-completion/completions.\n"
      "_layernas() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" place='' word\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$place/$word\" in\n"
      "      ",
      Places(tree),
      ") place=\"$place/$word\" ;;\n"
      "    esac\n"
      "  done\n"
      "  COMPREPLY=()\n"
      "  case \"$place $previous\" in\n",
      values,
      "  esac\n"
      "  case \"$place\" in\n",
      words,
      "  esac\n"
      "}\n"
      "complete -o filenames -F _layernas layernas\n");
}

// Formats a word and its description for _describe.
std::string ZshWord(const std::string& word, const std::string& description) {
  return Quote(absl::StrCat(absl::StrReplaceAll(word, {{":", "\\:"}}), ":", FirstSentence(description)));
}

std::string Zsh(const std::vector<CommandInfo>& tree) {
  std::string values;
  std::string words;
  for (const CommandInfo& command : tree) {
    std::vector<std::string> described;
    for (const auto& [name, description] : command.commands) described.push_back(ZshWord(name, description));
    bool wants_search = false;
    bool wants_file = false;
    for (const OptionInfo& option : command.options) {
      if (option.positional) {
        (IsSearch(option) ? wants_search : wants_file) = true;
        continue;
      }
      for (const std::string& name : option.names) {
        described.push_back(ZshWord(name, option.description));
        if (option.value.empty()) continue;
        absl::StrAppend(
            &values, "    '", Place(command), " ", name, "') ",
            option.choices.empty() ? "_files" : absl::StrCat("compadd -- ", absl::StrJoin(option.choices, " ")),
            "; return ;;\n");
      }
    }
    absl::StrAppend(&words, "    '", Place(command), "')\n      described=(", absl::StrJoin(described, " "), ")\n");
    absl::StrAppend(&words, "      _describe layernas described\n");
    if (wants_search) {
      absl::StrAppend(&words, "      [[ $words[CURRENT] == -* ]] || compadd -- ${(f)\"$(", kSearches, ")\"}\n");
    } else if (wants_file) {
      absl::StrAppend(&words, "      [[ $words[CURRENT] == -* ]] || _files\n");
    }
    absl::StrAppend(&words, "      ;;\n");
  }
  return absl::StrCat(
      "#compdef layernas\n"
      "# Completion of layernas for zsh: make it the file _layernas in a folder of $fpath.\n"
      "_layernas() {\n"
      "  local place='' word\n"
      "  local -a described\n"
      "  for word in ${words[2,CURRENT-1]}; do\n"
      "    case \"$place/$word\" in\n"
      "      ",
      Places(tree),
      ") place=\"$place/$word\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$place ${words[CURRENT-1]}\" in\n",
      values,
      "  esac\n"
      "  case \"$place\" in\n",
      words,
      "  esac\n"
      "}\n"
      "_layernas \"$@\"\n");
}

std::string Fish(const std::vector<CommandInfo>& tree) {
  std::string script = absl::StrCat(
      "# Completion of layernas for fish: make it the file layernas.fish in ~/.config/fish/completions.\n"
      "function __layernas_at\n"
      "  set -l place ''\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    switch \"$place/$word\"\n"
      "      case ",
      absl::StrReplaceAll(Places(tree), {{"|", " "}}),
      "\n"
      "        set place \"$place/$word\"\n"
      "    end\n"
      "  end\n"
      "  test \"$place\" = \"$argv[1]\"\n"
      "end\n"
      "complete -c layernas -f\n");
  for (const CommandInfo& command : tree) {
    const std::string at = absl::StrCat("complete -c layernas -n \"__layernas_at '", Place(command), "'\"");
    for (const auto& [name, description] : command.commands) {
      absl::StrAppend(&script, at, " -a ", name, " -d ", Quote(FirstSentence(description)), "\n");
    }
    for (const OptionInfo& option : command.options) {
      if (option.positional) {
        absl::StrAppend(&script, at,
                        IsSearch(option) ? absl::StrCat(" -a ", Quote(absl::StrCat("(", kSearches, ")"))) : " -F",
                        "\n");
        continue;
      }
      absl::StrAppend(&script, at);
      for (const std::string& name : option.names) {
        absl::StrAppend(&script, name.starts_with("--") ? " -l " : " -s ", name.substr(name.starts_with("--") ? 2 : 1));
      }
      if (!option.value.empty()) {
        absl::StrAppend(&script, option.choices.empty()
                                     ? " -r -F"
                                     : absl::StrCat(" -x -a ", Quote(absl::StrJoin(option.choices, " "))));
      }
      absl::StrAppend(&script, " -d ", Quote(FirstSentence(option.description)), "\n");
    }
  }
  return script;
}

}  // namespace

absl::StatusOr<std::string> Completion(const std::vector<CommandInfo>& tree, const std::string& shell) {
  if (shell == "bash") return Bash(tree);
  if (shell == "zsh") return Zsh(tree);
  if (shell == "fish") return Fish(tree);
  return absl::InvalidArgumentError(absl::StrCat("unknown shell '", shell, "'; choose bash, zsh or fish"));
}

}  // namespace layernas::client
