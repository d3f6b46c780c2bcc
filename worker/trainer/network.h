// The torch module of a network's graph.
#pragma once

#include <torch/nn.h>

#include <vector>

#include "common/network/graph.h"

namespace layernas::trainer {

int AveragePoolPadding(const network::Op& op);

// A network whose weights are initialised from torch's global generator. Weights are stored
// channels-last: with input of the same layout, training on one CPU thread is about twice as fast.
class NetworkImpl : public torch::nn::Module {
 public:
  // Throws InfeasibleError, which names the layer, if torch cannot create an operation. If there is
  // too little memory, throws torch's error (see IsOutOfMemory()).
  explicit NetworkImpl(network::Graph graph);
  // `images` are batch x channels x height x width, normalised. Returns logits: batch x classes.
  torch::Tensor forward(const torch::Tensor& images);

  // The parameters of ops[i] are called conv<i>.weight, norm<i>.bias, linear<i>.weight and so on.
  const network::Graph& graph() const { return graph_; }

 private:
  // The modules and flags that an operation needs to run.
  struct Step {
    torch::nn::Conv2d conv{nullptr};
    torch::nn::BatchNorm2d norm{nullptr};
    torch::nn::Linear linear{nullptr};
    // True: the result may overwrite the first value that the operation reads, because no other
    // operation needs it.
    bool in_place = false;
    // For a normalization: the activation that follows it. It is the only reader of the result, so
    // both run as one operation.
    network::Activation activation = network::Activation::kNone;
    // True: this is such an activation.
    bool after_norm = false;
    // Values that no later step reads.
    std::vector<int> done;
  };

  void MakeStep(const network::Op& op, Step& step);
  // Combines normalizations with the activations that follow them.
  void Fuse(const std::vector<int>& readers);
  torch::Tensor Run(const network::Op& op, Step& step, torch::Tensor first, const torch::Tensor& second);

  const network::Graph graph_;
  std::vector<Step> steps_;
};
TORCH_MODULE(Network);

}  // namespace layernas::trainer
