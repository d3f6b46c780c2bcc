// Plans the graph of a whole network from an architecture and the fixed parts of its network, in
// the form of the spec and the evaluator protocol.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>

#include "common/network/graph.h"

namespace layernas::network {

// `architecture`: {"layers": [{"name", "option", "channels", "stride", "parameters"}, …]}. Channels that are not given
// (or 0) stay as they are, the stride is then 1. `parameters` may hold block, kernel, expansion, squeeze_excite,
// activation, edges, channels and stride, and go before the option's name and the layer's own fields; with
// parameters.block the option may have any name.
//
// `network`: {"input": [channels, height, width], "classes", "stem_channels", "head_channels", "parameters"}. The stem
// is a 3x3 convolution (16 channels if not given); then come the layers, the head (a 1x1 convolution, left out without
// head_channels), global average pooling and a linear layer to the classes. parameters:
//   stem_stride (1), stem_activation, head_activation (relu);
//   stem_as_first_layer (false): the stem has the channels of the first layer;
//   final_norm (false): normalization and activation after the layers;
//   head_features (0): a linear layer with head_activation of so many features before the last one;
//   cells (0), stages (3): the layers are the edges of one cell (cell.h), which is repeated `cells` times in each
//   stage; between stages a residual block halves the size and doubles the channels.
// Throws InfeasibleError, naming the field or the layer.
Graph PlanNetwork(const nlohmann::json& architecture, const nlohmann::json& network);

// Returns the number of cells of the network; 0 if its layers are consecutive blocks. Throws like
// PlanNetwork().
int CellCount(const nlohmann::json& network);

// Plans one layer of an architecture of consecutive blocks. The graph has no operations if the
// layer passes its input on unchanged. `index` is the position in the architecture, for messages.
// `input` is the output shape of the previous layer. Throws like PlanNetwork().
Graph PlanLayer(const nlohmann::json& layer, std::size_t index, const Shape& input);

}  // namespace layernas::network
