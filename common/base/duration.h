// Durations as people write them in flags and spec files: "90s", "30m", "1h30m", "500ms", "1.5s".
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace layernas {

// Numbers (a fraction is allowed) each with a unit, from h over m and s down to ms, every unit at most once. Never
// negative, at most 100 years. A number without a unit is an error, for it would be read as seconds by one and as
// milliseconds by another. INVALID_ARGUMENT says what is wrong, quotes the text and shows the form.
absl::StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text);

// The shortest form that ParseDuration reads back: "1h30m", "500ms", "0s". Negative ones get a minus sign in front.
std::string FormatDuration(std::chrono::milliseconds duration);

}  // namespace layernas
