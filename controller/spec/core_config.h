// Converts the spec of a user to the configuration of the core.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "controller/core/search.h"
#include "layernas/v1/spec.pb.h"

namespace layernas {

// `spec` must be valid and have its defaults (common/spec/validate.h).
core::SearchConfig ToCoreConfig(const v1::SearchSpec& spec);

// The same for a stored spec: it is serialized and its defaults are not set yet.
absl::StatusOr<core::SearchConfig> ToCoreConfig(std::string_view serialized_spec);

}  // namespace layernas
