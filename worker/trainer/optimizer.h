// Stochastic gradient descent with Nesterov's momentum (Sutskever et al. 2013, as torch.optim.SGD has it) and AdamW
// (Loshchilov and Hutter 2019). Torch's own take the learning rate as a number; here it lies in a tensor, so that a
// recorded step (repeated_work.h) can be repeated with another one.
#pragma once

#include <torch/types.h>

#include <vector>

#include "worker/trainer/flat_parameters.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

class FlatOptimizer {
 public:
  // Weight decay is for `parameters.weights()` alone. `parameters` must stay.
  FlatOptimizer(const FlatParameters& parameters, const TrainSettings& settings);

  // To be called before each step, and not in RepeatedWork.
  void Prepare(double learning_rate);

  void ZeroGradients();
  // From the gradients, which it changes, clipped to settings.clip_norm before. Does not wait for the device.
  void Step();

  // What a checkpoint needs; the tensors are the optimizer's own.
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
  // Moving averages of the gradients: of SGD one of each parameter tensor, of AdamW two.
  std::vector<torch::Tensor> averages_;
  double steps_ = 0;
  // Numbers that change from step to step, where the step takes them from.
  torch::Tensor rate_;
  torch::Tensor kept_;
  torch::Tensor second_factor_;
};

}  // namespace layernas::trainer
