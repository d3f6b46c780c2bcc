#include "client/reference/man_page.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace layernas::client {
namespace {

constexpr std::string_view kExamples = "Examples:";

// Escapes each line, so that groff reads it only as text.
std::string Escape(const std::string& text) {
  std::string escaped;
  bool line_start = true;
  for (const char c : text) {
    // At the start of a line, these begin a request.
    if (line_start && (c == '.' || c == '\'')) escaped += "\\&";
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
    line_start = c == '\n';
  }
  return escaped;
}

std::string Title(const CommandInfo& command) { return absl::StrJoin(command.path, "-"); }

std::string Synopsis(const CommandInfo& command) {
  std::string line = absl::StrCat(".B ", Escape(absl::StrJoin(command.path, " ")), "\n");
  if (!command.commands.empty()) absl::StrAppend(&line, ".I COMMAND\n");
  for (const OptionInfo& option : command.options) {
    if (option.positional) {
      absl::StrAppend(&line, option.required ? ".I " : ".RI [ ", Escape(option.names.front()),
                      option.required ? "" : " ]", "\n");
    }
  }
  return absl::StrCat(line, "[options]\n");
}

std::string Options(const CommandInfo& command) {
  std::string text;
  for (const OptionInfo& option : command.options) {
    absl::StrAppend(&text, ".TP\n.B ", Escape(absl::StrJoin(option.names, ", ")));
    if (!option.value.empty()) absl::StrAppend(&text, " ", Escape(option.value));
    absl::StrAppend(&text, "\n", Escape(option.description), "\n");
  }
  return text;
}

// Converts the footer: examples, one per line after two spaces, and then text.
std::string Footer(const std::string& footer) {
  std::string text;
  bool in_examples = false;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(footer, '\n'))) {
    if (line == kExamples) {
      absl::StrAppend(&text, ".SH EXAMPLES\n.nf\n");
      in_examples = true;
    } else if (in_examples && line.empty()) {
      absl::StrAppend(&text, ".fi\n.SH NOTES\n");
      in_examples = false;
    } else if (!line.empty()) {
      absl::StrAppend(&text, Escape(in_examples ? line.substr(2) : line), "\n");
    }
  }
  if (in_examples) absl::StrAppend(&text, ".fi\n");
  return text;
}

std::string SeeAlso(const CommandInfo& command) {
  std::vector<std::string> pages;
  if (command.path.size() > 1) {
    pages.push_back(absl::StrJoin(std::vector<std::string>(command.path.begin(), command.path.end() - 1), "-"));
  }
  for (const auto& [name, description] : command.commands) pages.push_back(absl::StrCat(Title(command), "-", name));
  std::string text;
  for (const std::string& page : pages) absl::StrAppend(&text, text.empty() ? "" : ",\n", ".BR ", Escape(page), " (1)");
  return text.empty() ? "" : absl::StrCat(".SH SEE ALSO\n", text, "\n");
}

}  // namespace

std::vector<ManPage> ManPages(const std::vector<CommandInfo>& tree, const std::string& version) {
  std::vector<ManPage> pages;
  for (const CommandInfo& command : tree) {
    std::string commands;
    for (const auto& [name, description] : command.commands) {
      absl::StrAppend(&commands, ".TP\n.B ", Escape(name), "\n", Escape(description), "\n");
    }
    std::string text =
        absl::StrCat(".TH ", Title(command), " 1 \"\" \"layernas ", version, "\" \"layernas\"\n.SH NAME\n",
                     Escape(Title(command)), " \\- ", Escape(FirstSentence(command.description)), "\n.SH SYNOPSIS\n",
                     Synopsis(command), ".SH DESCRIPTION\n", Escape(command.description), "\n");
    if (!commands.empty()) absl::StrAppend(&text, ".SH COMMANDS\n", commands);
    absl::StrAppend(&text, ".SH OPTIONS\n", Options(command), Footer(command.footer), SeeAlso(command));
    pages.push_back({absl::StrCat(Title(command), ".1"), std::move(text)});
  }
  return pages;
}

}  // namespace layernas::client
