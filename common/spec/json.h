// Parts of a spec as evaluators and files get them.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"

namespace layernas::spec {

// Protobuf's JSON mapping with the names of the proto files; only what is set. INVALID_ARGUMENT where a number is not
// finite, for JSON has none.
absl::StatusOr<nlohmann::json> ToJson(const google::protobuf::Message& message);

}  // namespace layernas::spec
