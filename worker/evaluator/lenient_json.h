// A parser of JSON that also accepts what programs write in practice.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/status/statusor.h"

namespace layernas {

// Parses one JSON text. Beyond RFC 8259 it accepts what Python's json module writes: NaN, Infinity
// and -Infinity become null, and so does a number that no double can hold, such as 1e999. A byte
// that is not part of well-formed UTF-8 becomes "?", and so does an escaped surrogate without its
// other half. So every string in the result is well-formed UTF-8. INVALID_ARGUMENT: "not JSON", or
// nested deeper than 100. The stack does not grow with the text.
absl::StatusOr<nlohmann::json> ParseLenientJson(std::string_view text);

}  // namespace layernas
