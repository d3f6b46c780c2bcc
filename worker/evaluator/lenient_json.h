// JSON as programs really write it.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/status/statusor.h"

namespace layernas {

// Parses one JSON text. Beyond RFC 8259 it takes what Python's json module writes: NaN, Infinity and -Infinity become
// null, and so does a number that no double can hold, such as 1e999. A byte that is not part of well-formed UTF-8, and
// an escaped surrogate without its other half, become "?", so that every string in the result is well-formed UTF-8.
// INVALID_ARGUMENT: "not JSON", or a nesting deeper than 100. Needs no stack that grows with the text.
absl::StatusOr<nlohmann::json> ParseLenientJson(std::string_view text);

}  // namespace layernas
