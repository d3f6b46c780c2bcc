// The blocks that architectures are made of. A block is one small class in blocks.cc that says which settings it needs
// and adds its operations to a graph; counts and the torch module follow from the graph.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/network/graph.h"

namespace layernas::network {

// What a layer asks for; the block decides which of it must be there.
struct BlockSettings {
  std::string block;
  std::optional<int> kernel;
  // Channels inside the block per input channel. Where it is not whole, they are rounded to a multiple of 8.
  std::optional<double> expansion;
  // With squeeze-and-excitation.
  bool squeeze_excite = false;
  std::optional<Activation> activation;
  // Operations on the edges of a cell (cell.h).
  std::vector<std::string> edges;
  // Output channels, 0 = as many as come in; and stride.
  int channels = 0;
  int stride = 1;
};

// Reads an option name: a block, then its settings, joined by underscores: skip, conv_k3, mbconv_k5_e6,
// mbconv_k5_e2.5_c40_se_hswish (k = kernel, e = expansion, c = channels, se = squeeze-and-excitation, relu, relu6 or
// hswish). The stride is not part of the name. The settings may be incomplete. Throws InfeasibleError for any other
// name.
BlockSettings ParseOptionName(const std::string& option);

// Nothing if `name` is none of relu, relu6, hswish, none.
std::optional<Activation> ParseActivation(const std::string& name);

// Adds the block to the layer that `builder` is at.
// Throws InfeasibleError if there is no such block, it lacks a setting, or it does not fit the input.
Value AddBlock(GraphBuilder& builder, Value input, const BlockSettings& settings);

}  // namespace layernas::network
