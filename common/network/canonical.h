// Detects networks that are the same but written differently.
#pragma once

#include <string>

#include "common/network/graph.h"

namespace layernas::network {

// Returns a text that two graphs share only if they compute the same function for the same weights.
// The text describes the whole graph, so equal texts are a proof and cannot be a hash collision.
// Graphs that are written differently get the same text by these rules:
//   * Operations without effect are removed (dead_ops.h).
//   * The order of operations and the names of layers are ignored.
//   * The order of the terms of a sum is ignored, also in chains of additions.
//   * Operations without weights that do the same to the same value are merged. Operations with
//     weights are never merged: the sum of two convolutions of one value is not twice one of them.
// In rare cases of high symmetry, equal graphs still get different texts.
std::string CanonicalForm(const Graph& graph);

}  // namespace layernas::network
