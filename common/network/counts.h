// Counts the parameters and operations of a network from its graph, without building it.
#pragma once

#include <cstdint>

#include "common/network/graph.h"

namespace layernas::network {

struct Counts {
  // Trainable parameters, including batch normalization.
  std::int64_t params = 0;
  // Multiply-adds of the convolutions and linear layers for one image, without biases. As usual for
  // MobileNets, batch normalization, pooling, activations and additions are not counted.
  std::int64_t multiply_adds = 0;
};

// Throws InfeasibleError if a count exceeds 2^53, the limit of exact numbers in JSON. No network of
// that size can be trained.
Counts CountNetwork(const Graph& graph);

}  // namespace layernas::network
