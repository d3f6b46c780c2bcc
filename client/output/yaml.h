// JSON values as YAML in block style, that reads back as the same values.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace layernas::client {

// With a line feed at the end. Lists of plain values are on one line.
std::string ToYaml(const nlohmann::ordered_json& value);

}  // namespace layernas::client
