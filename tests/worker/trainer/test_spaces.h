// The spaces of examples/, and architectures drawn from them.
#pragma once

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <string>

#include "common/base/random.h"

namespace layernas::trainer {

// Converts a spec file to JSON. Supports the YAML scalars that the specs use.
inline nlohmann::json ToJson(const YAML::Node& node) {
  nlohmann::json json;
  if (node.IsMap()) {
    json = nlohmann::json::object();
    for (const auto& item : node) json[item.first.as<std::string>()] = ToJson(item.second);
  } else if (node.IsSequence()) {
    json = nlohmann::json::array();
    for (const auto& item : node) json.push_back(ToJson(item));
  } else {
    json = nlohmann::json::parse(node.Scalar(), nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) json = node.Scalar();
  }
  return json;
}

// Draws one option per layer.
inline nlohmann::json DrawArchitecture(const nlohmann::json& space, RandomStream& random) {
  nlohmann::json layers = nlohmann::json::array();
  for (const nlohmann::json& layer : space["layers"]) {
    nlohmann::json option = layer["options"][random.Below(layer["options"].size())];
    if (option.is_string()) option = {{"name", option}};
    nlohmann::json chosen = {{"name", layer["name"]}, {"option", option["name"]}};
    for (const char* field : {"channels", "stride", "parameters"}) {
      if (layer.contains(field)) chosen[field] = layer[field];
    }
    if (option.contains("parameters")) chosen["parameters"].update(option["parameters"]);
    layers.push_back(chosen);
  }
  return {{"layers", layers}};
}

// The space of examples/<name>.yaml.
inline nlohmann::json ReadSpace(const std::string& name) {
  return ToJson(YAML::LoadFile(LAYERNAS_EXAMPLES "/" + name + ".yaml"))["space"];
}

}  // namespace layernas::trainer
