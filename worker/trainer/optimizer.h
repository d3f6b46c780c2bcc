// Stochastic gradient descent with Nesterov's momentum (Sutskever et al. 2013, as in
// torch.optim.SGD) and AdamW (Loshchilov and Hutter 2019). Torch's own optimizers take the learning
// rate as a number. Here it is in a tensor, so that a recorded step (repeated_work.h) can be
// repeated with another one.
#pragma once

#include <torch/types.h>

#include <vector>

#include "worker/trainer/flat_parameters.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

class FlatOptimizer {
 public:
  // Weight decay only applies to `parameters.weights()`. `parameters` must outlive this object.
  FlatOptimizer(const FlatParameters& parameters, const TrainSettings& settings);

  // Call this before each step, outside of RepeatedWork.
  void Prepare(double learning_rate);

  void ZeroGradients();
  // Updates the parameters from the gradients, which it first clips to settings.clip_norm and
  // changes. Does not wait for the device.
  void Step();

  // The state that a checkpoint must save. The tensors are not copies.
  std::vector<torch::Tensor>& tensors() { return averages_; }
  double steps() const { return steps_; }
  void set_steps(double steps) { steps_ = steps; }

 private:
  void ClipGradients();
  void StepSgd(const torch::Tensor& parameters, torch::Tensor velocity, double weight_decay);
  void StepAdamW(torch::Tensor parameters, torch::Tensor first, torch::Tensor second, bool decays);

  const FlatParameters& parameters_;
  const Optimizer kind_;
  const double momentum_;
  const double weight_decay_;
  const double clip_norm_;
  // Moving averages of the gradients: one per parameter tensor for SGD, two for AdamW.
  std::vector<torch::Tensor> averages_;
  double steps_ = 0;
  // The numbers that change between steps, as tensors from which the step reads them.
  torch::Tensor rate_;
  torch::Tensor kept_;
  torch::Tensor second_factor_;
};

}  // namespace layernas::trainer
