// The blocks that an architecture is made of, as plain geometry: no torch here. The counts and the torch module are
// both derived from a BlockPlan, so a new block is one entry in the table of blocks.cc and nothing else.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace layernas::trainer {

// Channels and size of a feature map.
struct Shape {
  int channels = 0;
  int height = 0;
  int width = 0;
};

bool operator==(const Shape& a, const Shape& b);

// Convolution without bias, padded to keep the size (up to the stride), then batch normalization, then ReLU if
// `activation`.
struct ConvUnit {
  int in_channels = 0;
  int out_channels = 0;
  int kernel = 1;
  int stride = 1;
  int groups = 1;
  bool activation = true;
};

// What a block computes: average pooling with window and stride `pool` (1 = none), then the units in turn, then the
// block's input is added if `residual`.
struct BlockPlan {
  std::string name;
  int pool = 1;
  std::vector<ConvUnit> units;
  bool residual = false;
};

// What a layer asks for; the block decides which of it must be there.
struct BlockSettings {
  std::string block;
  std::optional<int> kernel;
  std::optional<int> expansion;
  // Output channels, and stride.
  int channels = 0;
  int stride = 1;
};

// Reads an option name: a block, then its settings, each a letter and a number, joined by underscores: skip, conv_k3,
// mbconv_k5_e6 (k = kernel, e = expansion). Channels and stride are not part of the name. The settings may be
// incomplete. Throws InfeasibleError for any other name.
BlockSettings ParseOptionName(const std::string& option);

// `name` is for messages: the layer's. `input` is the shape that the block is given.
// Throws InfeasibleError if there is no such block, it lacks a setting, or it does not fit the input.
BlockPlan PlanBlock(const std::string& name, const BlockSettings& settings, const Shape& input);

// Shape after a unit or a block: sizes are divided by the stride and rounded up.
Shape OutputShape(const ConvUnit& unit, const Shape& input);
Shape OutputShape(const BlockPlan& plan, const Shape& input);

}  // namespace layernas::trainer
