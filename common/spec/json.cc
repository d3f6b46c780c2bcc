#include "common/spec/json.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>
#include <string>

namespace layernas::spec {

absl::StatusOr<nlohmann::json> ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return absl::InvalidArgumentError("cannot be written as JSON: " + status.ToString());
  return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
}

}  // namespace layernas::spec
