// The weights of a network and their gradients, each laid end to end, so that what is done to all of them is done in a
// few long loops and not in many short ones.
#pragma once

#include <torch/types.h>

#include <vector>

#include "worker/trainer/network.h"

namespace layernas::trainer {

// The network's parameters, values and gradients, become views of these tensors for good.
class FlatParameters {
 public:
  explicit FlatParameters(Network& network);

  // With weight decay: weights of convolutions and linear layers; and without: the others. Their gradients are defined.
  const torch::Tensor& weights() const { return flat_[0]; }
  const torch::Tensor& others() const { return flat_[1]; }
  const std::vector<torch::Tensor>& all() const { return flat_; }

 private:
  std::vector<torch::Tensor> flat_;
};

}  // namespace layernas::trainer
