// The blocks of architectures. Each block is a small class in blocks.cc that defines its required
// settings and adds its operations to a graph. Counts and the torch module are derived from the
// graph.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/network/graph.h"

namespace layernas::network {

// The settings of a layer. The block determines which are required.
struct BlockSettings {
  std::string block;
  std::optional<int> kernel;
  // Channels inside the block per input channel. The product is rounded to a multiple of 8 unless
  // the expansion is a whole number.
  std::optional<double> expansion;
  // Whether to use squeeze-and-excitation.
  bool squeeze_excite = false;
  std::optional<Activation> activation;
  // Operations on the edges of a cell (cell.h).
  std::vector<std::string> edges;
  // Output channels (0 = as many as the input has) and stride.
  int channels = 0;
  int stride = 1;
};

// Parses an option name: a block and its settings, joined by underscores, such as skip, conv_k3,
// mbconv_k5_e6 or mbconv_k5_e2.5_c40_se_hswish (k = kernel, e = expansion, c = channels, se =
// squeeze-and-excitation, relu, relu6 or hswish). The name does not contain the stride, and the
// settings may be incomplete. Throws InfeasibleError for any other name, also for one with a setting
// that the block does not have, as in conv_k3_se.
BlockSettings ParseOptionName(const std::string& option);

// Returns nothing if `name` is not relu, relu6, hswish or none.
std::optional<Activation> ParseActivation(const std::string& name);

// Adds the block to the current layer of `builder`. Settings that the block does not have are
// ignored: a layer's parameters are for all its options. Throws InfeasibleError if the block is unknown,
// lacks a setting, or does not fit the input.
Value AddBlock(GraphBuilder& builder, Value input, const BlockSettings& settings);

}  // namespace layernas::network
