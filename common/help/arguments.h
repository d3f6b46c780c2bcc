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

// Returns the name of an option that was given an empty value and is not in `allowed`, or an empty
// text. Covers the commands that were given; not positionals, which have errors of their own.
std::string FindEmptyOption(const CLI::App& app, const std::set<std::string>& allowed);

}  // namespace layernas
