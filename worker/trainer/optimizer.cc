#include "worker/trainer/optimizer.h"

#include <torch/torch.h>

#include <cmath>

namespace layernas::trainer {
namespace {

// The usual constants of AdamW.
constexpr double kFirstDecay = 0.9;
constexpr double kSecondDecay = 0.999;
constexpr double kEpsilon = 1e-8;

}  // namespace

FlatOptimizer::FlatOptimizer(const FlatParameters& parameters, const TrainSettings& settings)
    : parameters_(parameters),
      kind_(settings.optimizer),
      momentum_(settings.momentum),
      weight_decay_(settings.weight_decay),
      clip_norm_(settings.clip_norm) {
  for (const torch::Tensor& tensor : parameters_.all()) {
    averages_.push_back(torch::zeros_like(tensor));
    if (kind_ == Optimizer::kAdamW) averages_.push_back(torch::zeros_like(tensor));
  }
  const torch::TensorOptions options = parameters_.weights().options().requires_grad(false);
  rate_ = torch::zeros({}, options);
  kept_ = torch::zeros({}, options);
  second_factor_ = torch::zeros({}, options);
}

void FlatOptimizer::Prepare(double learning_rate) {
  const torch::NoGradGuard no_grad;
  ++steps_;
  if (kind_ == Optimizer::kSgd) {
    rate_.fill_(learning_rate);
    return;
  }
  // Corrects for averages that start at zero.
  rate_.fill_(learning_rate / (1 - std::pow(kFirstDecay, steps_)));
  second_factor_.fill_(1 / std::sqrt(1 - std::pow(kSecondDecay, steps_)));
  kept_.fill_(1 - learning_rate * weight_decay_);
}

void FlatOptimizer::ZeroGradients() {
  for (const torch::Tensor& tensor : parameters_.all()) tensor.grad().zero_();
}

void FlatOptimizer::Step() {
  const torch::NoGradGuard no_grad;
  if (clip_norm_ > 0) ClipGradients();
  for (std::size_t i = 0; i < parameters_.all().size(); ++i) {
    const torch::Tensor& parameters = parameters_.all()[i];
    const bool decays = parameters.is_same(parameters_.weights());
    if (kind_ == Optimizer::kSgd) {
      StepSgd(parameters, averages_[i], decays ? weight_decay_ : 0);
    } else {
      StepAdamW(parameters, averages_[2 * i], averages_[2 * i + 1], decays);
    }
  }
}

void FlatOptimizer::ClipGradients() {
  torch::Tensor square = torch::zeros_like(rate_);
  for (const torch::Tensor& tensor : parameters_.all()) square += tensor.grad().square().sum();
  const torch::Tensor factor = (clip_norm_ / (square.sqrt() + 1e-6)).clamp_max(1);
  for (const torch::Tensor& tensor : parameters_.all()) tensor.grad().mul_(factor);
}

void FlatOptimizer::StepSgd(const torch::Tensor& parameters, torch::Tensor velocity, double weight_decay) {
  torch::Tensor gradient = parameters.grad();
  if (weight_decay > 0) gradient.add_(parameters, weight_decay);
  if (momentum_ > 0) {
    velocity.mul_(momentum_).add_(gradient);
    gradient.add_(velocity, momentum_);
  }
  parameters.sub_(gradient.mul_(rate_));
}

void FlatOptimizer::StepAdamW(torch::Tensor parameters, torch::Tensor first, torch::Tensor second, bool decays) {
  const torch::Tensor& gradient = parameters.grad();
  if (decays) parameters.mul_(kept_);
  first.mul_(kFirstDecay).add_(gradient, 1 - kFirstDecay);
  second.mul_(kSecondDecay).addcmul_(gradient, gradient, 1 - kSecondDecay);
  const torch::Tensor deviation = second.sqrt().mul_(second_factor_).add_(kEpsilon);
  parameters.sub_(torch::div(first, deviation).mul_(rate_));
}

}  // namespace layernas::trainer
