// Operations with gradients for training on the CPU in 32 bits, quicker than torch's.
#pragma once

#include <torch/nn/modules/batchnorm.h>

#include "common/network/graph.h"

namespace layernas::trainer {

// Whether those below take it as their input, here and now.
bool HasTrainingOps(const torch::Tensor& input);

// A convolution without bias, one filter per channel, padded by half of the kernel, which is odd.
torch::Tensor DepthwiseConv(const torch::Tensor& input, const torch::Tensor& filters, int stride);

bool IsFusedWithNorm(network::Activation activation);
// The same for dense filters of 3x3 and stride 1, whose channels suit it (winograd.h).
torch::Tensor WinogradConv(const torch::Tensor& input, const torch::Tensor& filters);

// The normalization in training mode, then the activation, for which IsFusedWithNorm holds or which is kNone. Updates
// the running statistics.
torch::Tensor NormActivate(const torch::Tensor& input, torch::nn::BatchNorm2dImpl& norm,
                           network::Activation activation);

}  // namespace layernas::trainer
