#include "worker/trainer/network.h"

#include <string>

#include "worker/trainer/errors.h"

namespace layernas::trainer {

ConvNormImpl::ConvNormImpl(const ConvUnit& plan) : activation_(plan.activation) {
  conv_ = register_module("conv",
                          torch::nn::Conv2d(torch::nn::Conv2dOptions(plan.in_channels, plan.out_channels, plan.kernel)
                                                .stride(plan.stride)
                                                .padding(plan.kernel / 2)
                                                .groups(plan.groups)
                                                .bias(false)));
  norm_ = register_module("norm", torch::nn::BatchNorm2d(plan.out_channels));
  torch::nn::init::kaiming_normal_(conv_->weight, 0, torch::kFanOut, torch::kReLU);
  conv_->weight.set_data(conv_->weight.contiguous(torch::MemoryFormat::ChannelsLast));
}

torch::Tensor ConvNormImpl::forward(const torch::Tensor& input) {
  torch::Tensor output = norm_(conv_(input));
  return activation_ ? output.relu_() : output;
}

BlockImpl::BlockImpl(const BlockPlan& plan) : pool_(plan.pool), residual_(plan.residual) {
  for (const ConvUnit& unit : plan.units) {
    units_.push_back(register_module("unit" + std::to_string(units_.size()), ConvNorm(unit)));
  }
}

torch::Tensor BlockImpl::forward(torch::Tensor input) {
  // Rounded up like a strided convolution; a window that hangs over the edge averages what it has.
  if (pool_ > 1) input = torch::avg_pool2d(input, pool_, pool_, /*padding=*/0, /*ceil_mode=*/true);
  torch::Tensor output = input;
  for (ConvNorm& unit : units_) output = unit(output);
  return residual_ ? output.add_(input) : output;
}

NetworkImpl::NetworkImpl(const NetworkPlan& plan) {
  for (const BlockPlan& block : plan.blocks) {
    try {
      // Numbered, because torch wants names without dots, and layers may share one.
      blocks_.push_back(register_module("block" + std::to_string(blocks_.size()), Block(block)));
    } catch (const c10::Error& error) {
      throw InfeasibleError("layer '" + block.name + "' cannot be built: " + error.what_without_backtrace());
    }
  }
  classifier_ = register_module("classifier", torch::nn::Linear(plan.features, plan.classes));
}

torch::Tensor NetworkImpl::forward(torch::Tensor images) {
  for (Block& block : blocks_) images = block(images);
  return classifier_(images.mean({2, 3}));
}

}  // namespace layernas::trainer
