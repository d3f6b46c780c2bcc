#include "worker/trainer/network.h"

#include <string>
#include <utility>

#include "worker/trainer/device.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/training_ops.h"
#include "worker/trainer/winograd.h"

namespace layernas::trainer {
namespace {

using network::Activation;
using network::Op;
using network::OpKind;

// Returns how often each value is read.
std::vector<int> CountReaders(const network::Graph& graph) {
  std::vector<int> readers(graph.ops.size() + 1);
  for (const Op& op : graph.ops) {
    ++readers[static_cast<std::size_t>(op.first)];
    if (op.second >= 0) ++readers[static_cast<std::size_t>(op.second)];
  }
  return readers;
}

// Returns true for results of convolutions and normalizations, whose backward passes do not use
// them. Those of other operations may.
bool MayBeOverwritten(const network::Graph& graph, int value) {
  if (value == 0) return false;
  const OpKind kind = graph.ops[static_cast<std::size_t>(value) - 1].kind;
  return kind == OpKind::kConv || kind == OpKind::kNorm;
}

torch::Tensor Relu6(torch::Tensor input, bool in_place) {
  // On the processor torch has no gradient for this in 16 bits.
  if (input.requires_grad() && input.is_cpu() && input.scalar_type() == torch::kBFloat16) {
    return torch::hardtanh(input.to(torch::kFloat), 0, 6).to(torch::kBFloat16);
  }
  return in_place ? torch::hardtanh_(input, 0, 6) : torch::hardtanh(input, 0, 6);
}

torch::Tensor Activate(torch::Tensor input, Activation activation, bool in_place) {
  switch (activation) {
    case Activation::kNone:
      break;
    case Activation::kRelu:
      return in_place ? torch::relu_(input) : torch::relu(input);
    case Activation::kRelu6:
      return Relu6(std::move(input), in_place);
    case Activation::kHardSwish:
      return torch::hardswish(input);
    case Activation::kHardSigmoid:
      return torch::hardsigmoid(input);
  }
  return input;
}

}  // namespace

int AveragePoolPadding(const Op& op) { return op.stride < op.kernel ? op.kernel / 2 : 0; }

NetworkImpl::NetworkImpl(network::Graph graph) : graph_(std::move(graph)), steps_(graph_.ops.size()) {
  const std::vector<int> readers = CountReaders(graph_);
  std::vector<int> left = readers;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Op& op = graph_.ops[i];
    try {
      MakeStep(op, steps_[i]);
    } catch (const c10::Error& error) {
      // A lack of memory says nothing about the architecture.
      if (IsOutOfMemory(error.what_without_backtrace())) throw;
      throw InfeasibleError("layer '" + graph_.layers[static_cast<std::size_t>(op.layer)] +
                            "' cannot be built: " + error.what_without_backtrace());
    }
    steps_[i].in_place = readers[static_cast<std::size_t>(op.first)] == 1 && MayBeOverwritten(graph_, op.first);
    for (const int value : {op.first, op.second}) {
      if (value >= 0 && --left[static_cast<std::size_t>(value)] == 0) steps_[i].done.push_back(value);
    }
  }
  Fuse(readers);
}

void NetworkImpl::Fuse(const std::vector<int>& readers) {
  for (std::size_t i = 1; i < steps_.size(); ++i) {
    const Op &norm = graph_.ops[i - 1], &op = graph_.ops[i];
    if (norm.kind != OpKind::kNorm || op.kind != OpKind::kActivation || op.first != static_cast<int>(i) ||
        readers[i] != 1 || !IsFusedWithNorm(op.activation)) {
      continue;
    }
    steps_[i - 1].activation = op.activation;
    steps_[i].after_norm = true;
  }
}

void NetworkImpl::MakeStep(const Op& op, Step& step) {
  const int in = graph_.ShapeOf(op.first).channels;
  // Use numbered names: torch does not allow dots in names, and layers may have equal names.
  const std::string number = std::to_string(&step - steps_.data());
  switch (op.kind) {
    case OpKind::kConv:
      step.conv =
          register_module("conv" + number, torch::nn::Conv2d(torch::nn::Conv2dOptions(in, op.output.channels, op.kernel)
                                                                 .stride(op.stride)
                                                                 .padding(op.kernel / 2)
                                                                 .groups(op.groups)
                                                                 .bias(op.bias)));
      torch::nn::init::kaiming_normal_(step.conv->weight, 0, torch::kFanOut, torch::kReLU);
      if (op.bias) torch::nn::init::zeros_(step.conv->bias);
      step.conv->weight.set_data(step.conv->weight.contiguous(torch::MemoryFormat::ChannelsLast));
      break;
    case OpKind::kNorm:
      step.norm = register_module("norm" + number, torch::nn::BatchNorm2d(op.output.channels));
      break;
    case OpKind::kLinear:
      step.linear = register_module("linear" + number, torch::nn::Linear(in, op.output.channels));
      break;
    case OpKind::kActivation:
    case OpKind::kAveragePool:
    case OpKind::kGlobalPool:
    case OpKind::kAdd:
    case OpKind::kScale:
    case OpKind::kZero:
      break;
  }
}

torch::Tensor NetworkImpl::Run(const Op& op, Step& step, torch::Tensor first, const torch::Tensor& second) {
  // Not while measuring: the deployed network will use torch's operations.
  const bool own_ops = is_training() && HasTrainingOps(first);
  switch (op.kind) {
    case OpKind::kConv:
      if (own_ops && op.groups > 1) return DepthwiseConv(first, step.conv->weight, op.stride);
      if (own_ops && op.kernel == 3 && op.stride == 1 && !op.bias && SuitsWinograd(first.size(1), op.output.channels)) {
        return WinogradConv(first, step.conv->weight);
      }
      return step.conv(first);
    case OpKind::kNorm:
      return own_ops ? NormActivate(first, *step.norm, step.activation) : step.norm(first);
    case OpKind::kLinear:
      return step.linear(first.flatten(1));
    case OpKind::kActivation:
      if (step.after_norm && own_ops) return first;
      return Activate(first, op.activation, step.in_place);
    case OpKind::kAveragePool:
      return torch::avg_pool2d(first, op.kernel, op.stride, AveragePoolPadding(op),
                               /*ceil_mode=*/true, /*count_include_pad=*/false);
    case OpKind::kGlobalPool:
      return first.mean({2, 3}, /*keepdim=*/true);
    case OpKind::kAdd:
      return step.in_place ? first.add_(second) : first + second;
    case OpKind::kScale:
      return first * second;
    case OpKind::kZero:
      return first.new_zeros({first.size(0), op.output.channels, op.output.height, op.output.width});
  }
  return first;
}

torch::Tensor NetworkImpl::forward(const torch::Tensor& images) {
  std::vector<torch::Tensor> values(graph_.ops.size() + 1);
  values[0] = images;
  const torch::Tensor none;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Op& op = graph_.ops[i];
    values[i + 1] = Run(op, steps_[i], values[static_cast<std::size_t>(op.first)],
                        op.second < 0 ? none : values[static_cast<std::size_t>(op.second)]);
    for (const int value : steps_[i].done) values[static_cast<std::size_t>(value)].reset();
  }
  return values.back();
}

}  // namespace layernas::trainer
