#include "worker/trainer/architecture.h"

#include <string>

#include "worker/trainer/errors.h"
#include "worker/trainer/object_reader.h"

namespace layernas::trainer {
namespace {

constexpr int kMaxChannels = 8192;
constexpr int kMaxStride = 16;
constexpr int kMaxSize = 4096;
constexpr int kMaxClasses = 100'000;
constexpr std::size_t kMaxLayers = 1000;
constexpr int kDefaultStemChannels = 16;

// 0 is how proto3 says "not set".
std::optional<int> PositiveInteger(ObjectReader& reader, const std::string& name, int max) {
  const auto value = reader.Integer(name, 0, max);
  if (!value || *value == 0) return std::nullopt;
  return static_cast<int>(*value);
}

Shape ReadInput(ObjectReader& network) {
  const nlohmann::json* input = network.Value("input");
  if (input == nullptr || !input->is_array() || input->size() != 3) {
    throw InfeasibleError("network.input must be [channels, height, width], for example [3, 32, 32]");
  }
  int sizes[3];
  for (int i = 0; i < 3; ++i) {
    const nlohmann::json& size = (*input)[i];
    if (!size.is_number() || !(size.get<double>() >= 1 && size.get<double>() <= kMaxSize)) {
      throw InfeasibleError("network.input must hold numbers from 1 to " + std::to_string(kMaxSize) + ", not " +
                            size.dump());
    }
    sizes[i] = size.get<int>();
  }
  return {sizes[0], sizes[1], sizes[2]};
}

BlockPlan PlanLayer(const nlohmann::json& json, const std::string& path, const Shape& input) {
  ObjectReader layer(json, path);
  const std::string name = layer.String("name").value_or("");
  if (name.empty()) throw InfeasibleError(path + ".name is missing");
  const std::string option = layer.String("option").value_or("");
  const auto channels = PositiveInteger(layer, "channels", kMaxChannels);
  const auto stride = PositiveInteger(layer, "stride", kMaxStride);
  const nlohmann::json* parameters = layer.Value("parameters");
  layer.RefuseUnknownFields();

  static const nlohmann::json kNoParameters = nlohmann::json::object();
  ObjectReader overrides(parameters == nullptr ? kNoParameters : *parameters, "parameters of layer '" + name + "'");
  const auto block = overrides.String("block");
  BlockSettings settings;
  if (block) {
    settings.block = *block;
  } else if (option.empty()) {
    throw InfeasibleError(path + ".option is missing");
  } else {
    try {
      settings = ParseOptionName(option);
    } catch (const InfeasibleError& error) {
      throw InfeasibleError("layer '" + name + "': " + error.what());
    }
  }
  if (const auto kernel = PositiveInteger(overrides, "kernel", kMaxSize)) settings.kernel = kernel;
  if (const auto expansion = PositiveInteger(overrides, "expansion", kMaxSize)) settings.expansion = expansion;
  settings.channels = PositiveInteger(overrides, "channels", kMaxChannels).value_or(channels.value_or(input.channels));
  settings.stride = PositiveInteger(overrides, "stride", kMaxStride).value_or(stride.value_or(1));
  overrides.RefuseUnknownFields();
  return PlanBlock(name, settings, input);
}

}  // namespace

NetworkPlan PlanNetwork(const nlohmann::json& architecture_json, const nlohmann::json& network_json) {
  ObjectReader network(network_json, "network");
  NetworkPlan plan;
  plan.input = ReadInput(network);
  const auto classes = PositiveInteger(network, "classes", kMaxClasses);
  if (!classes) throw InfeasibleError("network.classes is missing: the number of classes of the data set");
  plan.classes = *classes;
  const int stem_channels = PositiveInteger(network, "stem_channels", kMaxChannels).value_or(kDefaultStemChannels);
  const auto head_channels = PositiveInteger(network, "head_channels", kMaxChannels);
  int stem_stride = 1;
  if (const nlohmann::json* json = network.Value("parameters")) {
    ObjectReader parameters(*json, "network.parameters");
    stem_stride = PositiveInteger(parameters, "stem_stride", kMaxStride).value_or(1);
    parameters.RefuseUnknownFields();
  }
  network.RefuseUnknownFields();

  ObjectReader architecture(architecture_json, "architecture");
  architecture.String("id");
  const nlohmann::json* layers = architecture.Value("layers");
  architecture.RefuseUnknownFields();
  if (layers == nullptr || !layers->is_array() || layers->empty() || layers->size() > kMaxLayers) {
    throw InfeasibleError("architecture.layers must be a list of 1 to " + std::to_string(kMaxLayers) + " layers");
  }

  Shape shape = plan.input;
  const auto add = [&](BlockPlan block) {
    shape = OutputShape(block, shape);
    plan.blocks.push_back(std::move(block));
  };
  add(PlanBlock("stem", {"conv", 3, {}, stem_channels, stem_stride}, shape));
  for (std::size_t i = 0; i < layers->size(); ++i) {
    add(PlanLayer((*layers)[i], "architecture.layers[" + std::to_string(i) + "]", shape));
  }
  if (head_channels) add(PlanBlock("head", {"conv", 1, {}, *head_channels, 1}, shape));
  plan.features = shape.channels;
  return plan;
}

}  // namespace layernas::trainer
