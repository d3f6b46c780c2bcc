#include "common/network/graph.h"

#include <algorithm>
#include <utility>

#include "common/network/errors.h"

namespace layernas::network {
namespace {

constexpr int kMaxChannels = 1 << 16;
constexpr int kMaxKernel = 31;

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

Shape Strided(const Shape& shape, int stride) {
  return {shape.channels, CeilDivide(shape.height, stride), CeilDivide(shape.width, stride)};
}

std::string Size(const Shape& shape) { return std::to_string(shape.height) + "x" + std::to_string(shape.width); }

}  // namespace

bool operator==(const Shape& a, const Shape& b) {
  return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

void GraphBuilder::Refuse(const std::string& why) const {
  throw InfeasibleError("layer '" + graph_.layers.back() + "': " + why);
}

Value GraphBuilder::Append(Op op) {
  op.layer = static_cast<int>(graph_.layers.size()) - 1;
  graph_.ops.push_back(op);
  return static_cast<Value>(graph_.ops.size());
}

Value GraphBuilder::Conv(Value input, int channels, int kernel, int stride, int groups, bool bias) {
  const Shape shape = ShapeOf(input);
  if (channels < 1 || channels > kMaxChannels) {
    Refuse(std::to_string(channels) + " channels inside the block are not from 1 to " + std::to_string(kMaxChannels));
  }
  if (kernel < 1 || kernel > kMaxKernel || kernel % 2 == 0) {
    Refuse("the kernel must be odd and from 1 to " + std::to_string(kMaxKernel) + ", but is " + std::to_string(kernel));
  }
  if (stride > std::min(shape.height, shape.width)) {
    Refuse("stride " + std::to_string(stride) + " does not fit a feature map of " + Size(shape));
  }
  Op op;
  op.kind = OpKind::kConv;
  op.first = input;
  op.output = Strided(shape, stride);
  op.output.channels = channels;
  op.kernel = kernel;
  op.stride = stride;
  op.groups = groups;
  op.bias = bias;
  return Append(op);
}

Value GraphBuilder::Norm(Value input) {
  Op op;
  op.kind = OpKind::kNorm;
  op.first = input;
  op.output = ShapeOf(input);
  return Append(op);
}

Value GraphBuilder::Activate(Value input, Activation activation) {
  if (activation == Activation::kNone) return input;
  Op op;
  op.kind = OpKind::kActivation;
  op.first = input;
  op.output = ShapeOf(input);
  op.activation = activation;
  return Append(op);
}

Value GraphBuilder::ConvNorm(Value input, int channels, int kernel, int stride, int groups, Activation activation) {
  return Activate(Norm(Conv(input, channels, kernel, stride, groups)), activation);
}

Value GraphBuilder::AveragePool(Value input, int window, int stride) {
  if (window == 1 && stride == 1) return input;
  const Shape shape = ShapeOf(input);
  if (stride > std::min(shape.height, shape.width)) {
    Refuse("stride " + std::to_string(stride) + " does not fit a feature map of " + Size(shape));
  }
  Op op;
  op.kind = OpKind::kAveragePool;
  op.first = input;
  op.output = Strided(shape, stride);
  op.kernel = window;
  op.stride = stride;
  return Append(op);
}

Value GraphBuilder::GlobalPool(Value input) {
  Op op;
  op.kind = OpKind::kGlobalPool;
  op.first = input;
  op.output = {ShapeOf(input).channels, 1, 1};
  return Append(op);
}

Value GraphBuilder::Linear(Value input, int features) {
  Op op;
  op.kind = OpKind::kLinear;
  op.first = input;
  op.output = {features, 1, 1};
  op.bias = true;
  return Append(op);
}

Value GraphBuilder::Add(Value a, Value b) {
  if (ShapeOf(a) != ShapeOf(b)) Refuse("maps of " + Size(ShapeOf(a)) + " and " + Size(ShapeOf(b)) + " can't be added");
  Op op;
  op.kind = OpKind::kAdd;
  op.first = a;
  op.second = b;
  op.output = ShapeOf(a);
  return Append(op);
}

Value GraphBuilder::Scale(Value map, Value gate) {
  Op op;
  op.kind = OpKind::kScale;
  op.first = map;
  op.second = gate;
  op.output = ShapeOf(map);
  return Append(op);
}

Value GraphBuilder::Zero(Value like, int channels) {
  Op op;
  op.kind = OpKind::kZero;
  op.first = like;
  op.output = ShapeOf(like);
  op.output.channels = channels;
  return Append(op);
}

}  // namespace layernas::network
