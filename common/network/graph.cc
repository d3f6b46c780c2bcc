#include "common/network/graph.h"

#include <algorithm>
#include <utility>

#include "common/network/errors.h"

namespace layernas::network {
namespace {

// Maximum channels of any feature map. An expanded block can have many times the channels of a
// layer.
constexpr int kMaxMapChannels = 1 << 17;
// Maximum operations: far more than any trainable network has. The input of the planner comes from
// outside.
constexpr std::size_t kMaxOps = 200'000;
constexpr int kMaxKernel = 31;

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

std::string Size(const Shape& shape) { return std::to_string(shape.height) + "x" + std::to_string(shape.width); }

}  // namespace

bool operator==(const Shape& a, const Shape& b) {
  return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

void GraphBuilder::Refuse(const std::string& why) const {
  throw InfeasibleError("layer '" + graph_.layers.back() + "': " + why);
}

Value GraphBuilder::Append(Op op) {
  const int channels = op.output.channels;
  if (channels < 1 || channels > kMaxMapChannels) {
    Refuse("the block must have from 1 to " + std::to_string(kMaxMapChannels) + " channels inside, but has " +
           std::to_string(channels));
  }
  if (graph_.ops.size() == kMaxOps) Refuse("the network has more than " + std::to_string(kMaxOps) + " operations");
  op.layer = static_cast<int>(graph_.layers.size()) - 1;
  graph_.ops.push_back(op);
  return static_cast<Value>(graph_.ops.size());
}

Op GraphBuilder::Make(OpKind kind, Value input) const {
  Op op;
  op.kind = kind;
  op.first = input;
  op.output = ShapeOf(input);
  return op;
}

void GraphBuilder::Stride(Op& op, int stride) const {
  Shape& shape = op.output;
  if (stride > std::min(shape.height, shape.width)) {
    Refuse("stride " + std::to_string(stride) + " does not fit a feature map of " + Size(shape));
  }
  shape.height = CeilDivide(shape.height, stride);
  shape.width = CeilDivide(shape.width, stride);
  op.stride = stride;
}

Value GraphBuilder::Conv(Value input, int channels, int kernel, int stride, int groups, bool bias) {
  if (kernel < 1 || kernel > kMaxKernel || kernel % 2 == 0) {
    Refuse("the kernel must be odd and from 1 to " + std::to_string(kMaxKernel) + ", but is " + std::to_string(kernel));
  }
  Op op = Make(OpKind::kConv, input);
  Stride(op, stride);
  op.output.channels = channels;
  op.kernel = kernel;
  op.groups = groups;
  op.bias = bias;
  return Append(op);
}

Value GraphBuilder::Norm(Value input) { return Append(Make(OpKind::kNorm, input)); }

Value GraphBuilder::Activate(Value input, Activation activation) {
  if (activation == Activation::kNone) return input;
  Op op = Make(OpKind::kActivation, input);
  op.activation = activation;
  return Append(op);
}

Value GraphBuilder::ConvNorm(Value input, int channels, int kernel, int stride, int groups, Activation activation) {
  return Activate(Norm(Conv(input, channels, kernel, stride, groups)), activation);
}

Value GraphBuilder::AveragePool(Value input, int window, int stride) {
  if (window == 1 && stride == 1) return input;
  Op op = Make(OpKind::kAveragePool, input);
  Stride(op, stride);
  op.kernel = window;
  return Append(op);
}

Value GraphBuilder::GlobalPool(Value input) {
  Op op = Make(OpKind::kGlobalPool, input);
  op.output = {op.output.channels, 1, 1};
  return Append(op);
}

Value GraphBuilder::Linear(Value input, int features) {
  Op op = Make(OpKind::kLinear, input);
  op.output = {features, 1, 1};
  op.bias = true;
  return Append(op);
}

Value GraphBuilder::Add(Value a, Value b) {
  if (ShapeOf(a) != ShapeOf(b)) Refuse("cannot add feature maps of " + Size(ShapeOf(a)) + " and " + Size(ShapeOf(b)));
  Op op = Make(OpKind::kAdd, a);
  op.second = b;
  return Append(op);
}

Value GraphBuilder::Scale(Value map, Value gate) {
  Op op = Make(OpKind::kScale, map);
  op.second = gate;
  return Append(op);
}

Value GraphBuilder::Zero(Value like, int channels) {
  Op op = Make(OpKind::kZero, like);
  op.output.channels = channels;
  return Append(op);
}

}  // namespace layernas::network
