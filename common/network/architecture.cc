#include "common/network/architecture.h"

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/network/blocks.h"
#include "common/network/cell.h"
#include "common/network/errors.h"
#include "common/network/object_reader.h"

namespace layernas::network {
namespace {

constexpr int kMaxChannels = 8192;
constexpr int kMaxStride = 16;
constexpr int kMaxSize = 4096;
constexpr int kMaxClasses = 100'000;
constexpr int kMaxCells = 100;
constexpr int kMaxStages = 6;
constexpr std::size_t kMaxLayers = 1000;

const nlohmann::json kNothing = nlohmann::json::object();

// 0 means "not set" in proto3.
std::optional<int> PositiveInteger(ObjectReader& reader, const std::string& name, int max) {
  const auto value = reader.Integer(name, 0, max);
  if (!value || *value == 0) return std::nullopt;
  return static_cast<int>(*value);
}

std::optional<Activation> ReadActivation(ObjectReader& reader, const std::string& name) {
  const auto text = reader.String(name);
  if (!text) return std::nullopt;
  const auto activation = ParseActivation(*text);
  if (!activation) {
    throw InfeasibleError(reader.path() + "." + name + " must be relu, relu6, hswish or none, but is '" + *text + "'");
  }
  return activation;
}

Shape ReadInput(ObjectReader& network) {
  const nlohmann::json* input = network.Value("input");
  if (input == nullptr || !input->is_array() || input->size() != 3) {
    throw InfeasibleError("network.input must be [channels, height, width], for example [3, 32, 32]");
  }
  int sizes[3];
  for (int i = 0; i < 3; ++i) {
    const nlohmann::json& size = (*input)[i];
    if (!size.is_number() || !(size.get<double>() >= 1 && size.get<double>() <= kMaxSize) ||
        size.get<double>() != std::floor(size.get<double>())) {
      throw InfeasibleError("network.input must hold whole numbers from 1 to " + std::to_string(kMaxSize) + ", not " +
                            size.dump());
    }
    sizes[i] = size.get<int>();
  }
  return {sizes[0], sizes[1], sizes[2]};
}

// The fixed parts of the network.
struct Frame {
  Shape input;
  int classes = 0;
  int stem_channels = 0;
  bool stem_as_first_layer = false;
  int stem_stride = 1;
  Activation stem_activation = Activation::kRelu;
  // 0 = none.
  int head_channels = 0;
  int head_features = 0;
  Activation head_activation = Activation::kRelu;
  bool final_norm = false;
  // 0 = the layers are consecutive blocks.
  int cells = 0;
  int stages = 0;
};

Frame ReadFrame(const nlohmann::json& json) {
  ObjectReader network(json, "network");
  Frame frame;
  frame.input = ReadInput(network);
  const auto classes = PositiveInteger(network, "classes", kMaxClasses);
  if (!classes) throw InfeasibleError("network.classes is missing: set the number of classes of the data set");
  frame.classes = *classes;
  frame.stem_channels = PositiveInteger(network, "stem_channels", kMaxChannels).value_or(16);
  frame.head_channels = PositiveInteger(network, "head_channels", kMaxChannels).value_or(0);
  const nlohmann::json* given = network.Value("parameters");
  network.RefuseUnknownFields();

  ObjectReader parameters(given == nullptr ? kNothing : *given, "network.parameters");
  frame.stem_stride = PositiveInteger(parameters, "stem_stride", kMaxStride).value_or(1);
  frame.stem_as_first_layer = parameters.Bool("stem_as_first_layer").value_or(false);
  frame.stem_activation = ReadActivation(parameters, "stem_activation").value_or(Activation::kRelu);
  frame.head_activation = ReadActivation(parameters, "head_activation").value_or(Activation::kRelu);
  frame.head_features = PositiveInteger(parameters, "head_features", kMaxChannels).value_or(0);
  frame.final_norm = parameters.Bool("final_norm").value_or(false);
  frame.cells = PositiveInteger(parameters, "cells", kMaxCells).value_or(0);
  const auto stages = PositiveInteger(parameters, "stages", kMaxStages);
  if (stages && frame.cells == 0) throw InfeasibleError("network.parameters.stages has no effect without cells");
  if (frame.stem_as_first_layer && frame.cells > 0) {
    throw InfeasibleError("network.parameters.stem_as_first_layer has no effect with cells: set network.stem_channels");
  }
  frame.stages = stages.value_or(3);
  parameters.RefuseUnknownFields();
  return frame;
}

struct LayerRequest {
  std::string name;
  std::string option;
  std::optional<int> channels;
  std::optional<int> stride;
  const nlohmann::json* parameters = nullptr;
};

LayerRequest ReadLayer(const nlohmann::json& json, const std::string& path) {
  ObjectReader reader(json, path);
  LayerRequest layer;
  layer.name = reader.String("name").value_or("");
  if (layer.name.empty()) throw InfeasibleError(path + ".name is missing");
  layer.option = reader.String("option").value_or("");
  layer.channels = PositiveInteger(reader, "channels", kMaxChannels);
  layer.stride = PositiveInteger(reader, "stride", kMaxStride);
  layer.parameters = reader.Value("parameters");
  reader.RefuseUnknownFields();
  return layer;
}

std::vector<std::string> ReadEdges(const nlohmann::json& json, const std::string& path) {
  std::vector<std::string> edges;
  for (const nlohmann::json& edge : json.is_array() ? json : nlohmann::json()) {
    if (edge.is_string()) edges.push_back(edge.get<std::string>());
  }
  if (!json.is_array() || edges.size() != json.size()) {
    throw InfeasibleError(path + ".edges must be a list of operations, for example [nor_conv_3x3]");
  }
  return edges;
}

BlockSettings ReadBlock(const LayerRequest& layer, const std::string& path) {
  ObjectReader overrides(layer.parameters == nullptr ? kNothing : *layer.parameters,
                         "parameters of layer '" + layer.name + "'");
  const auto block = overrides.String("block");
  BlockSettings settings;
  if (block) {
    settings.block = *block;
  } else if (layer.option.empty()) {
    throw InfeasibleError(path + ".option is missing");
  } else {
    try {
      settings = ParseOptionName(layer.option);
    } catch (const InfeasibleError& error) {
      throw InfeasibleError("layer '" + layer.name + "': " + error.what());
    }
  }
  if (const auto kernel = PositiveInteger(overrides, "kernel", kMaxSize)) settings.kernel = kernel;
  if (const auto expansion = overrides.Number("expansion", 0, kMaxSize); expansion && *expansion > 0) {
    settings.expansion = expansion;
  }
  if (const auto squeeze_excite = overrides.Bool("squeeze_excite")) settings.squeeze_excite = *squeeze_excite;
  if (const auto activation = ReadActivation(overrides, "activation")) settings.activation = activation;
  if (const nlohmann::json* edges = overrides.Value("edges")) settings.edges = ReadEdges(*edges, overrides.path());
  if (settings.channels == 0 && layer.channels) settings.channels = *layer.channels;
  if (const auto channels = PositiveInteger(overrides, "channels", kMaxChannels)) settings.channels = *channels;
  settings.stride = PositiveInteger(overrides, "stride", kMaxStride).value_or(layer.stride.value_or(1));
  overrides.RefuseUnknownFields();
  return settings;
}

std::string PathOf(std::size_t layer) { return "architecture.layers[" + std::to_string(layer) + "]"; }

struct Layer {
  std::string name;
  BlockSettings block;
};

std::vector<Layer> ReadLayers(const nlohmann::json& json) {
  std::vector<Layer> layers;
  layers.reserve(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    const LayerRequest request = ReadLayer(json[i], PathOf(i));
    layers.push_back({request.name, ReadBlock(request, PathOf(i))});
  }
  return layers;
}

Value AddLayers(GraphBuilder& builder, Value value, const std::vector<Layer>& layers) {
  for (const Layer& layer : layers) {
    builder.BeginLayer(layer.name);
    value = AddBlock(builder, value, layer.block);
  }
  return value;
}

Value AddCells(GraphBuilder& builder, Value value, const nlohmann::json& layers, const Frame& frame) {
  std::vector<std::string> edges;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerRequest layer = ReadLayer(layers[i], PathOf(i));
    if (layer.channels || layer.stride || (layer.parameters != nullptr && !layer.parameters->empty())) {
      throw InfeasibleError("layer '" + layer.name +
                            "' is an edge of a cell (network.parameters.cells is set): it must not have " +
                            "channels, stride or parameters");
    }
    edges.push_back(layer.option);
  }
  for (int stage = 1; stage <= frame.stages; ++stage) {
    if (stage > 1) {
      BlockSettings reduction;
      reduction.block = "residual";
      reduction.kernel = 3;
      reduction.stride = 2;
      reduction.channels = 2 * builder.ShapeOf(value).channels;
      builder.BeginLayer("reduction" + std::to_string(stage - 1));
      value = AddBlock(builder, value, reduction);
    }
    for (int cell = 1; cell <= frame.cells; ++cell) {
      builder.BeginLayer("stage" + std::to_string(stage) + "_cell" + std::to_string(cell));
      value = AddCell(builder, value, builder.ShapeOf(value).channels, edges);
    }
  }
  return value;
}

}  // namespace

int CellCount(const nlohmann::json& network) {
  const Frame frame = ReadFrame(network);
  return frame.cells * frame.stages;
}

Graph PlanLayer(const nlohmann::json& layer, std::size_t index, const Shape& input) {
  const LayerRequest request = ReadLayer(layer, PathOf(index));
  GraphBuilder builder(input);
  builder.BeginLayer(request.name);
  AddBlock(builder, GraphBuilder::kInput, ReadBlock(request, PathOf(index)));
  return builder.Take();
}

Graph PlanNetwork(const nlohmann::json& architecture_json, const nlohmann::json& network_json) {
  const Frame frame = ReadFrame(network_json);
  ObjectReader architecture(architecture_json, "architecture");
  architecture.String("id");
  const nlohmann::json* layers = architecture.Value("layers");
  architecture.RefuseUnknownFields();
  if (layers == nullptr || !layers->is_array() || layers->empty() || layers->size() > kMaxLayers) {
    throw InfeasibleError("architecture.layers must be a list of 1 to " + std::to_string(kMaxLayers) + " layers");
  }

  GraphBuilder builder(frame.input);
  const auto add_stem = [&](int channels) {
    builder.BeginLayer("stem");
    return builder.ConvNorm(GraphBuilder::kInput, channels, 3, frame.stem_stride, 1, frame.stem_activation);
  };
  Value value = 0;
  if (frame.cells > 0) {
    value = AddCells(builder, add_stem(frame.stem_channels), *layers, frame);
  } else {
    const std::vector<Layer> blocks = ReadLayers(*layers);
    const int first = blocks.front().block.channels;
    value = AddLayers(builder, add_stem(frame.stem_as_first_layer && first > 0 ? first : frame.stem_channels), blocks);
  }
  builder.BeginLayer("head");
  if (frame.head_channels > 0) value = builder.ConvNorm(value, frame.head_channels, 1, 1, 1, frame.head_activation);
  if (frame.final_norm) value = builder.Activate(builder.Norm(value), frame.head_activation);
  value = builder.GlobalPool(value);
  if (frame.head_features > 0) {
    value = builder.Activate(builder.Linear(value, frame.head_features), frame.head_activation);
  }
  builder.Linear(value, frame.classes);
  return builder.Take();
}

}  // namespace layernas::network
