// Requirements on workers' labels.
#pragma once

#include <optional>
#include <string_view>

namespace layernas {

// Returns the number in a requirement of the form ">=16", with optional spaces around the number.
// Returns nothing for any other text.
std::optional<double> ParseAtLeast(std::string_view required);

// Returns true if a label's value fulfils the requirement: it is the same text or, for ">=16", a
// number of at least 16.
bool LabelMeets(std::string_view value, std::string_view required);

}  // namespace layernas
