// Operations with gradients, for training on the CPU in 32 bits. They are faster than torch's.
#pragma once

#include <torch/nn/modules/batchnorm.h>

#include "common/network/graph.h"

namespace layernas::trainer {

// Returns true if the operations below support this input in the current state.
bool HasTrainingOps(const torch::Tensor& input);

// A convolution without bias and with one filter per channel. The input is padded by half of the
// kernel, whose size is odd.
torch::Tensor DepthwiseConv(const torch::Tensor& input, const torch::Tensor& filters, int stride);

bool IsFusedWithNorm(network::Activation activation);
// The same for dense filters of 3x3 with stride 1. SuitsWinograd() must hold for the channels (see
// winograd.h).
torch::Tensor WinogradConv(const torch::Tensor& input, const torch::Tensor& filters);

// The normalization in training mode, followed by the activation, which must be kNone or fulfil
// IsFusedWithNorm. Updates the running statistics.
torch::Tensor NormActivate(const torch::Tensor& input, torch::nn::BatchNorm2dImpl& norm,
                           network::Activation activation);

}  // namespace layernas::trainer
