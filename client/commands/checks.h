// Validators of option values, with messages for users. The messages of CLI11 mention its
// internals.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <string>

namespace layernas::client {

// Accepts a whole number of at least `lowest`.
CLI::Validator WholeNumber(std::int64_t lowest);
// Accepts a finite number above 0.
CLI::Validator AboveZero();
// Accepts one of the names, and replaces it by its value.
CLI::Validator OneOf(const std::map<std::string, int>& names);

}  // namespace layernas::client
