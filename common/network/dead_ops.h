// Removes from a network what has no effect on its result.
#pragma once

#include "common/network/graph.h"

namespace layernas::network {

// Returns a graph of the same function with fewer operations: without those that the result does not depend on, and
// without those that only pass zeros on. The network is then as it is deployed, where a compiler removes these too. The
// operations that stay keep their order and their layers. Zeros that are still needed read the network's input, because
// they only take the number of images from what they read.
Graph WithoutDeadOps(const Graph& graph);

}  // namespace layernas::network
