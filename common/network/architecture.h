// Plans the graph of a whole network from an architecture and the fixed parts of its network, in
// the form of the spec and the evaluator protocol.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>

#include "common/network/graph.h"

namespace layernas::network {

// `architecture`: {"layers": [{"name", "option", "channels", "stride", "parameters"}, …]}. Unset or
// zero channels keep the channels of the input; an unset stride is 1. `parameters` can have block,
// kernel, expansion, squeeze_excite, activation, edges, channels and stride. They take precedence
// over the option name and the fields of the layer. With parameters.block, the option can have any
// name.
//
// `network`: {"input": [channels, height, width], "classes", "stem_channels", "head_channels",
// "parameters"}. The network consists of the stem (a 3x3 convolution, with 16 channels by default),
// the layers, the head (a 1x1 convolution, omitted without head_channels), global average pooling,
// and a linear layer to the classes. The parameters are, with their defaults:
//   stem_stride (1), stem_activation (relu), head_activation (relu);
//   stem_as_first_layer (false): give the stem the channels of the first layer; not with cells;
//   final_norm (false): add normalization and activation after the layers;
//   head_features (0): add a linear layer with this many features and head_activation before the
//   last layer;
//   cells (0), stages (3): the layers are the edges of one cell (cell.h), which is repeated `cells`
//   times in each stage; between stages, a residual block halves the size and doubles the channels.
// Throws InfeasibleError with the name of the field or layer.
Graph PlanNetwork(const nlohmann::json& architecture, const nlohmann::json& network);

// Returns the number of cells of the network; 0 if its layers are consecutive blocks. Throws like
// PlanNetwork().
int CellCount(const nlohmann::json& network);

// Plans one layer of an architecture of consecutive blocks. The graph has no operations if the
// layer passes its input on unchanged. `index` is the position in the architecture, for messages.
// `input` is the output shape of the previous layer. Throws like PlanNetwork().
Graph PlanLayer(const nlohmann::json& layer, std::size_t index, const Shape& input);

}  // namespace layernas::network
