// The arguments of a program, as CLI11 should read them.
#pragma once

#include <CLI/CLI.hpp>
#include <set>
#include <string>
#include <vector>

namespace layernas {

// Splits "--option=" into the option and an empty value. CLI11 would take the next argument for its
// value.
std::vector<std::string> SplitEmptyValues(const std::vector<std::string>& arguments);

// For Option::transform(): a number of bytes with an optional unit, such as 500MiB. All units are
// powers of 1,024. Refuses the numbers that WhyWrong() refuses, which CLI::AsSizeValue would misread
// before WhyWrong() sees them, and a unit without a number.
class ByteSize : public CLI::Validator {
 public:
  ByteSize();
};

// Returns what is wrong with the values of the option, or an empty text: an empty value, as from an
// unset variable of a script, or a number that CLI11 would misread (a leading zero as octal, a
// negative number as a huge one, one of more than 64 bits as the nearest that fits).
std::string WhyWrong(const CLI::Option& option, const std::vector<std::string>& values, bool may_be_empty);

// Returns the first mistake of WhyWrong() in the options that were given, with the option's name, or
// an empty text. The options in `may_be_empty` may have an empty value. Covers the commands that were
// given; not positionals, which have errors of their own.
std::string FindWrongOption(const CLI::App& app, const std::set<std::string>& may_be_empty);

}  // namespace layernas
