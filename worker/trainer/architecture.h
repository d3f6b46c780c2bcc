// From the architecture and network of a request to the plan of a whole network.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "worker/trainer/blocks.h"

namespace layernas::trainer {

// The blocks in turn (stem, searched layers, head), global average pooling, then a linear layer to the classes.
struct NetworkPlan {
  Shape input;
  std::vector<BlockPlan> blocks;
  // Channels that the linear layer is given.
  int features = 0;
  int classes = 0;
};

// `architecture`: {"layers": [{"name", "option", "channels", "stride", "parameters"}, …]}. Channels that are not given
// (or 0) stay as they are, the stride is then 1. `parameters` may hold block, kernel, expansion, channels and stride,
// and go before the option's name and the layer's own fields; with parameters.block the option may have any name.
// `network`: {"input": [channels, height, width], "classes", "stem_channels", "head_channels", "parameters":
// {"stem_stride"}}. The stem is a 3x3 convolution (16 channels, stride 1 if not given); the head a 1x1 convolution,
// left out without head_channels. Throws InfeasibleError, naming the field or the layer.
NetworkPlan PlanNetwork(const nlohmann::json& architecture, const nlohmann::json& network);

}  // namespace layernas::trainer
