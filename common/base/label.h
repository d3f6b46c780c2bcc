// What a worker's label must be.
#pragma once

#include <optional>
#include <string_view>

namespace layernas {

// The number in a requirement of the form ">=16"; spaces are allowed around it. Nothing for any other text.
std::optional<double> ParseAtLeast(std::string_view required);

// Whether a label's value is what is required: the same text, or, for ">=16", a number that is not smaller.
bool LabelMeets(std::string_view value, std::string_view required);

}  // namespace layernas
