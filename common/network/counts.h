// Size and work of a network, worked out from its graph: nothing is built.
#pragma once

#include <cstdint>

#include "common/network/graph.h"

namespace layernas::network {

struct Counts {
  // Trainable numbers, those of batch normalization included.
  std::int64_t params = 0;
  // Of the convolutions and the linear layers, for one image, without biases. Batch normalization can be folded into
  // the convolution before it; pooling, activations and additions do not count, as is the custom for MobileNets.
  std::int64_t multiply_adds = 0;
};

Counts CountNetwork(const Graph& graph);

}  // namespace layernas::network
