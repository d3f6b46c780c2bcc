// Parts of a spec as JSON, for evaluators and files.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json_fwd.hpp>

#include "absl/status/statusor.h"

namespace layernas::spec {

// Uses the JSON mapping of protobuf with the names of the proto files, without unset fields.
// INVALID_ARGUMENT for a number that is not finite, which JSON cannot represent.
absl::StatusOr<nlohmann::json> ToJson(const google::protobuf::Message& message);

}  // namespace layernas::spec
