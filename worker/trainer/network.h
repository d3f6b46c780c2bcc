// The torch module of a NetworkPlan.
#pragma once

#include <torch/nn.h>

#include <vector>

#include "worker/trainer/architecture.h"

namespace layernas::trainer {

// Convolution, batch normalization and perhaps ReLU.
class ConvNormImpl : public torch::nn::Module {
 public:
  explicit ConvNormImpl(const ConvUnit& plan);
  torch::Tensor forward(const torch::Tensor& input);

 private:
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d norm_{nullptr};
  const bool activation_;
};
TORCH_MODULE(ConvNorm);

class BlockImpl : public torch::nn::Module {
 public:
  explicit BlockImpl(const BlockPlan& plan);
  torch::Tensor forward(torch::Tensor input);

 private:
  const int pool_;
  const bool residual_;
  std::vector<ConvNorm> units_;
};
TORCH_MODULE(Block);

// Freshly initialised from torch's global generator. Weights lie channels-last: on one CPU thread that trains about
// twice as fast, given input of the same layout.
class NetworkImpl : public torch::nn::Module {
 public:
  // Throws InfeasibleError, naming the layer, if torch cannot make a block.
  explicit NetworkImpl(const NetworkPlan& plan);
  // `images`: batch x channels x height x width, normalised. Returns logits: batch x classes.
  torch::Tensor forward(torch::Tensor images);

 private:
  std::vector<Block> blocks_;
  torch::nn::Linear classifier_{nullptr};
};
TORCH_MODULE(Network);

}  // namespace layernas::trainer
