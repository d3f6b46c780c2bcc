#include "common/help/arguments.h"

#include <cctype>
#include <cerrno>
#include <cstdlib>

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

namespace {

// CLI11 skips these before a number.
constexpr char kBlanks[] = " \t\n\v\f\r";

// Returns the text without the blanks that it begins with.
std::string WithoutBlanks(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  return begin == std::string::npos ? "" : text.substr(begin);
}

// Returns why CLI11 would misread the number, or an empty text.
std::string WhyMisread(const std::string& text, bool is_unsigned) {
  const std::string number = WithoutBlanks(text);
  if (number.empty()) return "";
  if (is_unsigned && number[0] == '-') return "must not be negative, is " + text;
  const std::size_t digits = number[0] == '-' || number[0] == '+' ? 1 : 0;
  // Octal or hexadecimal. A unit may follow a single zero.
  const bool has_prefix = number.find_first_of("0123456789xX", digits + 1) == digits + 1;
  if (has_prefix && number[digits] == '0') return "must not begin with a zero, is " + text;
  // CLI11 would take the nearest number of 64 bits.
  errno = 0;
  if (is_unsigned) {
    std::strtoull(number.c_str(), nullptr, 10);
  } else {
    std::strtoll(number.c_str(), nullptr, 10);
  }
  if (errno != ERANGE) return "";
  return (number[0] == '-' ? "is too small: " : "is too large: ") + text;
}

}  // namespace

ByteSize::ByteSize() {
  const CLI::AsSizeValue parse(/*kb_is_1000=*/false);
  description(parse.get_description());
  func_ = [parse](std::string& text) {
    if (const std::string why = WhyMisread(text, /*is_unsigned=*/true); !why.empty()) return why;
    // CLI11 would take a unit alone for one of it.
    const std::string size = WithoutBlanks(text);
    if (!size.empty() && std::isalpha(static_cast<unsigned char>(size[0])) != 0) {
      return "must begin with a number, is " + text;
    }
    return parse(text);
  };
}

std::string WhyWrong(const CLI::Option& option, const std::vector<std::string>& values, bool may_be_empty) {
  const bool is_unsigned = option.get_type_name().compare(0, 4, "UINT") == 0;
  const bool is_number = is_unsigned || option.get_type_name().compare(0, 3, "INT") == 0;
  for (const std::string& value : values) {
    if (value.empty() && !may_be_empty) return "is empty; omit the option to use the default";
    if (!is_number) continue;
    if (std::string why = WhyMisread(value, is_unsigned); !why.empty()) return why;
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
