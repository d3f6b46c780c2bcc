// JSON values as YAML in block style, which reads back as the same values.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace layernas::client {

// Ends with a line feed. Lists of plain values are on one line.
std::string ToYaml(const nlohmann::ordered_json& value);

}  // namespace layernas::client
