// The torch module of a network's graph.
#pragma once

#include <torch/nn.h>

#include <vector>

#include "common/network/graph.h"

namespace layernas::trainer {

int AveragePoolPadding(const network::Op& op);

// Freshly initialised from torch's global generator. Weights lie channels-last: on one CPU thread that trains about
// twice as fast, given input of the same layout.
class NetworkImpl : public torch::nn::Module {
 public:
  // Throws InfeasibleError, naming the layer, if torch cannot make an operation; if there is not enough memory, what
  // torch throws (IsOutOfMemory).
  explicit NetworkImpl(network::Graph graph);
  // `images`: batch x channels x height x width, normalised. Returns logits: batch x classes.
  torch::Tensor forward(const torch::Tensor& images);

  // The parameters of ops[i] are called conv<i>.weight, norm<i>.bias, linear<i>.weight and so on.
  const network::Graph& graph() const { return graph_; }

 private:
  // What is needed to run an op, beyond the op itself.
  struct Step {
    torch::nn::Conv2d conv{nullptr};
    torch::nn::BatchNorm2d norm{nullptr};
    torch::nn::Linear linear{nullptr};
    // The result may be written over the first value it reads: nobody else needs that any more.
    bool in_place = false;
    // Of a normalization: it comes next and alone reads the result, so both can be done in one.
    network::Activation activation = network::Activation::kNone;
    // Of such an activation.
    bool after_norm = false;
    // Values that nobody reads after this step.
    std::vector<int> done;
  };

  void MakeStep(const network::Op& op, Step& step);
  // Activations that follow their normalization.
  void Fuse(const std::vector<int>& readers);
  torch::Tensor Run(const network::Op& op, Step& step, torch::Tensor first, const torch::Tensor& second);

  const network::Graph graph_;
  std::vector<Step> steps_;
};
TORCH_MODULE(Network);

}  // namespace layernas::trainer
