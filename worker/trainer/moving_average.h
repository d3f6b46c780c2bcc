// A moving average of a network's weights, which often classifies better than the weights
// themselves.
#pragma once

#include <vector>

#include "worker/trainer/network.h"

namespace layernas::trainer {

// An exponential moving average of everything that a network has learned: its weights and the
// statistics of its normalizations.
class MovingAverage {
 public:
  MovingAverage(Network& network, double decay);

  // Call this before each update, outside of RepeatedWork.
  void Prepare();
  // Does not wait for the device.
  void Update(Network& network);
  // Exchanges the network's state with the average. A second call undoes it.
  void Swap(Network& network);

  // The state that a checkpoint must save. The tensors are not copies.
  std::vector<torch::Tensor>& tensors() { return average_; }
  double steps() const { return steps_; }
  void set_steps(double steps) { steps_ = steps; }

 private:
  const double decay_;
  double steps_ = 0;
  // The weight of the network's state in the next update.
  torch::Tensor weight_;
  std::vector<torch::Tensor> average_;
};

}  // namespace layernas::trainer
