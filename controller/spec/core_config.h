// From the spec that a user writes to the configuration that the core searches with.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "controller/core/search.h"
#include "layernas/v1/spec.pb.h"

namespace layernas {

// `spec` must be valid and have its defaults (common/spec/validate.h).
core::SearchConfig ToCoreConfig(const v1::SearchSpec& spec);

// The same from a spec as it is stored: serialized, defaults not yet set.
absl::StatusOr<core::SearchConfig> ToCoreConfig(std::string_view serialized_spec);

}  // namespace layernas
