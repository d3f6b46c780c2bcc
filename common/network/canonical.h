// Detects networks that are the same but written differently.
#pragma once

#include <string>

#include "common/network/graph.h"

namespace layernas::network {

// Returns a text that two graphs share only if they compute the same function for the same weights. It describes the
// whole graph, so that equal texts are proof and no chance of a hash. These rules make equal what is written
// differently:
//   * Operations without effect are removed (dead_ops.h).
//   * The order of operations and the names of layers do not matter.
//   * The terms of a sum have no order, in chains of additions too.
//   * Operations without weights that do the same to the same value are one operation. Operations with weights never
//     are: the sum of two convolutions of one value is not twice one convolution.
// Two graphs that are equal by these rules may still get different texts, in rare cases of high symmetry.
std::string CanonicalForm(const Graph& graph);

}  // namespace layernas::network
