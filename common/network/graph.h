// A network as arithmetic on feature maps, independent of torch. Counts and the torch module are
// derived from the graph and do not know the blocks.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace layernas::network {

// Channels and size of a feature map.
struct Shape {
  int channels = 0;
  int height = 0;
  int width = 0;
};

bool operator==(const Shape& a, const Shape& b);
inline bool operator!=(const Shape& a, const Shape& b) { return !(a == b); }

enum class Activation { kNone, kRelu, kRelu6, kHardSwish, kHardSigmoid };

enum class OpKind {
  // Padded by half the kernel. The output size is the input size divided by the stride, rounded up.
  kConv,
  // Batch normalization with trained scale and shift.
  kNorm,
  kActivation,
  // Average pooling. Either adjacent windows (stride = window), where a window over the edge
  // averages only the values inside; or a window around each value (stride 1, odd window) that
  // ignores positions outside.
  kAveragePool,
  // Average over the whole map.
  kGlobalPool,
  // Requires a 1x1 map; with bias.
  kLinear,
  // Sum of two maps.
  kAdd,
  // Product of a map and one value per channel.
  kScale,
  // Zeros, for as many images as the input has.
  kZero,
};

struct Op {
  OpKind kind = OpKind::kConv;
  // Index into Graph::layers: the layer of the operation.
  int layer = 0;
  // The values that the operation reads. Value 0 is the input of the network, value i + 1 the
  // output of ops[i]. `second` is -1 if there is none.
  int first = 0;
  int second = -1;
  Shape output;
  // For convolution and pooling.
  int kernel = 1;
  int stride = 1;
  // For convolution: 1, or the number of channels.
  int groups = 1;
  bool bias = false;
  Activation activation = Activation::kNone;
};

struct Graph {
  Shape input;
  // In a valid order of computation. The output of the last operation is the output of the network:
  // one value per class.
  std::vector<Op> ops;
  // Names for messages.
  std::vector<std::string> layers;

  const Shape& ShapeOf(int value) const { return value == 0 ? input : ops[static_cast<std::size_t>(value) - 1].output; }
};

// A value of a graph under construction.
using Value = int;

class GraphBuilder {
 public:
  explicit GraphBuilder(const Shape& input) { graph_.input = input; }

  static constexpr Value kInput = 0;

  // Starts a layer with that name; later operations belong to it.
  void BeginLayer(std::string name) { graph_.layers.push_back(std::move(name)); }

  // All of these throw InfeasibleError, with the layer, for an input that does not fit or a value
  // out of range.
  Value Conv(Value input, int channels, int kernel, int stride, int groups = 1, bool bias = false);
  Value Norm(Value input);
  // Returns the input itself for Activation::kNone.
  Value Activate(Value input, Activation activation);
  // Convolution, normalization and activation in sequence.
  Value ConvNorm(Value input, int channels, int kernel, int stride, int groups, Activation activation);
  // Returns the input itself for a window of 1. `stride` is 1 or the window.
  Value AveragePool(Value input, int window, int stride);
  Value GlobalPool(Value input);
  Value Linear(Value input, int features);
  Value Add(Value a, Value b);
  Value Scale(Value map, Value gate);
  // Zeros with the size of `like` and `channels` channels.
  Value Zero(Value like, int channels);

  const Shape& ShapeOf(Value value) const { return graph_.ShapeOf(value); }
  Graph Take() { return std::move(graph_); }

  // Throws InfeasibleError about the current layer.
  [[noreturn]] void Refuse(const std::string& why) const;

 private:
  // For an operation with one input that keeps its shape.
  Op Make(OpKind kind, Value input) const;
  void Stride(Op& op, int stride) const;
  Value Append(Op op);

  Graph graph_;
};

}  // namespace layernas::network
