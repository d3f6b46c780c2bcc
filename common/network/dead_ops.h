// Removes operations without effect on the result of a network.
#pragma once

#include "common/network/graph.h"

namespace layernas::network {

// Returns a graph of the same function without operations that the result does not depend on, and
// without operations that only pass zeros on. A compiler removes these operations too when the
// network is deployed. The remaining operations keep their order and their layers. Remaining zeros
// read the input of the network, because they only need its number of images.
Graph WithoutDeadOps(const Graph& graph);

}  // namespace layernas::network
