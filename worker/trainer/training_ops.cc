#include "worker/trainer/training_ops.h"

#include <torch/csrc/autograd/custom_function.h>

#include "worker/trainer/depthwise.h"
#include "worker/trainer/mixed_precision.h"
#include "worker/trainer/norm_activation.h"
#include "worker/trainer/winograd.h"

namespace layernas::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr auto kChannelsLast = torch::MemoryFormat::ChannelsLast;

const float* Data(const torch::Tensor& tensor) { return tensor.data_ptr<float>(); }
float* Data(torch::Tensor& tensor) { return tensor.data_ptr<float>(); }

class DepthwiseFunction : public torch::autograd::Function<DepthwiseFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& input, const torch::Tensor& filters,
                               std::int64_t stride) {
    const torch::Tensor map = input.contiguous(kChannelsLast);
    context->save_for_backward({map, filters});
    context->saved_data["stride"] = stride;
    return torch::conv2d(map, filters, {}, stride, filters.size(2) / 2, 1, filters.size(0));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &map = saved[0], filters = saved[1].contiguous();
    const torch::Tensor gradient = gradients[0].contiguous(kChannelsLast);
    const DepthwiseShape shape = {map.size(0), map.size(1),     map.size(2),
                                  map.size(3), filters.size(2), context->saved_data["stride"].toInt()};
    torch::Tensor of_map = torch::empty_like(map), of_filters = torch::empty_like(filters);
    DepthwiseBackward(shape, Data(map), Data(filters), Data(gradient), Data(of_map), Data(of_filters));
    return {of_map, of_filters, {}};
  }
};

class WinogradFunction : public torch::autograd::Function<WinogradFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& input, const torch::Tensor& filters) {
    const torch::Tensor map = input.contiguous(kChannelsLast), weight = filters.contiguous(kChannelsLast);
    context->save_for_backward({map, weight});
    torch::Tensor output =
        torch::empty({map.size(0), weight.size(0), map.size(2), map.size(3)}, map.options(), kChannelsLast);
    WinogradForward(Shape(map, weight), Data(map), Data(weight), Data(output));
    return output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &map = saved[0], &weight = saved[1];
    const torch::Tensor gradient = gradients[0].contiguous(kChannelsLast);
    torch::Tensor of_map = torch::empty_like(map), of_weight = torch::empty_like(weight);
    WinogradBackward(Shape(map, weight), Data(map), Data(weight), Data(gradient), Data(of_map), Data(of_weight));
    return {of_map, of_weight};
  }

 private:
  static WinogradShape Shape(const torch::Tensor& map, const torch::Tensor& weight) {
    return {map.size(0), map.size(2), map.size(3), map.size(1), weight.size(0)};
  }
};

class NormFunction : public torch::autograd::Function<NormFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& input, const torch::Tensor& weight,
                               const torch::Tensor& bias, const torch::Tensor& statistics, double epsilon,
                               network::Activation activation) {
    context->save_for_backward({input, weight, bias, statistics});
    context->saved_data["epsilon"] = epsilon;
    context->saved_data["activation"] = static_cast<std::int64_t>(activation);
    torch::Tensor output = torch::empty_like(input);
    NormForward(Shape(input, activation), Read(statistics), static_cast<float>(epsilon), Data(input), Data(weight),
                Data(bias), Data(output));
    return output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor &input = saved[0], &weight = saved[1], &bias = saved[2];
    const torch::Tensor gradient = gradients[0].contiguous(kChannelsLast);
    torch::Tensor of_input = torch::empty_like(input), of_weight = torch::empty_like(weight),
                  of_bias = torch::empty_like(bias);
    const auto activation = static_cast<network::Activation>(context->saved_data["activation"].toInt());
    NormBackward(Shape(input, activation), Read(saved[3]),
                 static_cast<float>(context->saved_data["epsilon"].toDouble()), Data(input), Data(weight), Data(bias),
                 Data(gradient), Data(of_input), Data(of_weight), Data(of_bias));
    return {of_input, of_weight, of_bias, {}, {}, {}};
  }

  static NormShape Shape(const torch::Tensor& input, network::Activation activation) {
    return {input.size(0) * input.size(2) * input.size(3), input.size(1), activation};
  }

 private:
  // The tensor has two rows: mean and variance.
  static NormStatistics Read(const torch::Tensor& statistics) {
    const auto channels = statistics.size(1);
    const float* values = Data(statistics);
    return {{values, values + channels}, {values + channels, values + 2 * channels}};
  }
};

}  // namespace

bool HasTrainingOps(const torch::Tensor& input) {
  return input.is_cpu() && input.scalar_type() == torch::kFloat && !MixedPrecision::Active();
}

torch::Tensor DepthwiseConv(const torch::Tensor& input, const torch::Tensor& filters, int stride) {
  return DepthwiseFunction::apply(input, filters, static_cast<std::int64_t>(stride));
}

torch::Tensor WinogradConv(const torch::Tensor& input, const torch::Tensor& filters) {
  return WinogradFunction::apply(input, filters);
}

bool IsFusedWithNorm(network::Activation activation) {
  using network::Activation;
  return activation == Activation::kRelu || activation == Activation::kRelu6 || activation == Activation::kHardSwish;
}

torch::Tensor NormActivate(const torch::Tensor& input, torch::nn::BatchNorm2dImpl& norm,
                           network::Activation activation) {
  const torch::Tensor map = input.contiguous(kChannelsLast);
  const NormShape shape = NormFunction::Shape(map, activation);
  torch::Tensor statistics = torch::empty({2, shape.channels});
  {
    const torch::NoGradGuard no_grad;
    const NormStatistics taken = TakeNormStatistics(shape, Data(map));
    // Like torch, uses the unbiased variance for the running variance.
    const auto unbiased = static_cast<float>(static_cast<double>(shape.rows) / static_cast<double>(shape.rows - 1));
    const auto momentum = static_cast<float>(*norm.options.momentum());
    float* mean = Data(norm.running_mean);
    float* variance = Data(norm.running_var);
    float* rows = Data(statistics);
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      const auto i = static_cast<std::size_t>(c);
      rows[c] = taken.mean[i];
      rows[shape.channels + c] = taken.variance[i];
      mean[c] += momentum * (taken.mean[i] - mean[c]);
      variance[c] += momentum * (taken.variance[i] * unbiased - variance[c]);
    }
  }
  return NormFunction::apply(map, norm.weight, norm.bias, statistics, norm.options.eps(), activation);
}

}  // namespace layernas::trainer
