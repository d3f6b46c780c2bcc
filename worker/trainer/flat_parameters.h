// Stores the weights of a network, and their gradients, one after another in one tensor each.
// Operations on all of them then take a few long loops instead of many short ones.
#pragma once

#include <torch/types.h>

#include <vector>

#include "worker/trainer/network.h"

namespace layernas::trainer {

// The network's parameters and their gradients permanently become views of these tensors.
class FlatParameters {
 public:
  explicit FlatParameters(Network& network);

  // weights() are the parameters with weight decay, those of convolutions and linear layers;
  // others() are the rest. Their gradients are defined.
  const torch::Tensor& weights() const { return flat_[0]; }
  const torch::Tensor& others() const { return flat_[1]; }
  const std::vector<torch::Tensor>& all() const { return flat_; }

 private:
  std::vector<torch::Tensor> flat_;
};

}  // namespace layernas::trainer
