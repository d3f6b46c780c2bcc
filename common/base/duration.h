// Durations as users write them in flags and spec files: "90s", "30m", "1h30m", "500ms", "1.5s".
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace layernas {

// Parses numbers, each with a unit: h, m, s and ms in this order, each at most once. Fractions are
// allowed; the result is never negative and at most 100 years. A number without a unit is an error,
// because readers could take it for seconds or for milliseconds. INVALID_ARGUMENT quotes the text,
// says what is wrong, and shows the form.
absl::StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text);

// Returns the shortest form that ParseDuration() reads back: "1h30m", "500ms", "0s". A negative
// duration gets a leading minus sign.
std::string FormatDuration(std::chrono::milliseconds duration);

}  // namespace layernas
