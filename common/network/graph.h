// A network as plain arithmetic on feature maps: no torch here. Counts and the torch module are both read off the
// graph, so that neither knows of any block.
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
  // Padded by half the kernel: sizes are divided by the stride and rounded up.
  kConv,
  // Batch normalization with a trained scale and shift.
  kNorm,
  kActivation,
  // Either windows side by side (stride = window), where one that hangs over the edge averages what it has; or one
  // around each value (stride 1, odd window), where what is outside does not count.
  kAveragePool,
  // Average over the whole map.
  kGlobalPool,
  // On a map of 1x1, with bias.
  kLinear,
  // Sum of two maps.
  kAdd,
  // Product of a map with one value per channel.
  kScale,
  // Zeros, for as many images as its input has.
  kZero,
};

struct Op {
  OpKind kind = OpKind::kConv;
  // Index into Graph::layers: what the op belongs to.
  int layer = 0;
  // The values it reads. Value 0 is the network's input, value i + 1 the output of ops[i]. `second` is -1 where there
  // is none.
  int first = 0;
  int second = -1;
  Shape output;
  // Of convolution and pooling.
  int kernel = 1;
  int stride = 1;
  // Of convolution: 1, or one per channel.
  int groups = 1;
  bool bias = false;
  Activation activation = Activation::kNone;
};

struct Graph {
  Shape input;
  // In an order in which they can be computed; the last one's output is the network's: one value per class.
  std::vector<Op> ops;
  // Names, for messages.
  std::vector<std::string> layers;

  const Shape& ShapeOf(int value) const { return value == 0 ? input : ops[static_cast<std::size_t>(value) - 1].output; }
};

// A value of a graph that is being built.
using Value = int;

class GraphBuilder {
 public:
  explicit GraphBuilder(const Shape& input) { graph_.input = input; }

  static constexpr Value kInput = 0;

  // What is added from here on belongs to the layer of that name.
  void BeginLayer(std::string name) { graph_.layers.push_back(std::move(name)); }

  // All of these throw InfeasibleError, naming the layer, for what does not fit its input or is beyond all bounds.
  Value Conv(Value input, int channels, int kernel, int stride, int groups = 1, bool bias = false);
  Value Norm(Value input);
  // The input itself for Activation::kNone.
  Value Activate(Value input, Activation activation);
  // Convolution, normalization, activation in turn.
  Value ConvNorm(Value input, int channels, int kernel, int stride, int groups, Activation activation);
  // The input itself for a window of 1. `stride` is 1 or the window.
  Value AveragePool(Value input, int window, int stride);
  Value GlobalPool(Value input);
  Value Linear(Value input, int features);
  Value Add(Value a, Value b);
  Value Scale(Value map, Value gate);
  // Zeros of the size of `like` with so many channels.
  Value Zero(Value like, int channels);

  const Shape& ShapeOf(Value value) const { return graph_.ShapeOf(value); }
  Graph Take() { return std::move(graph_); }

  // InfeasibleError about the layer begun last.
  [[noreturn]] void Refuse(const std::string& why) const;

 private:
  // Of one input, whose shape it keeps.
  Op Make(OpKind kind, Value input) const;
  void Stride(Op& op, int stride) const;
  Value Append(Op op);

  Graph graph_;
};

}  // namespace layernas::network
