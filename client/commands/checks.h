// What the values of options must be, in words: the checks of the library that parses them speak of its own insides.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <string>

namespace layernas::client {

// A whole number of at least `lowest`.
CLI::Validator WholeNumber(std::int64_t lowest);
// A finite number above 0.
CLI::Validator AboveZero();
// One of the names; the option gets the value that it stands for.
CLI::Validator OneOf(const std::map<std::string, int>& names);

}  // namespace layernas::client
