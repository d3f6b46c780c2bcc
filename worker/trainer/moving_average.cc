#include "worker/trainer/moving_average.h"

#include <algorithm>

namespace layernas::trainer {
namespace {

std::vector<torch::Tensor> Tensors(Network& network) {
  std::vector<torch::Tensor> tensors = network->parameters();
  for (const torch::Tensor& buffer : network->buffers()) {
    // Skips the number of batches seen, which is not a floating-point number.
    if (buffer.is_floating_point()) tensors.push_back(buffer);
  }
  return tensors;
}

}  // namespace

MovingAverage::MovingAverage(Network& network, double decay) : decay_(decay) {
  const torch::NoGradGuard no_grad;
  for (const torch::Tensor& tensor : Tensors(network)) average_.push_back(tensor.detach().clone());
  weight_ = torch::zeros({}, average_.front().options());
}

void MovingAverage::Prepare() {
  ++steps_;
  // The decay is small at first. Otherwise the average would contain the initial weights for long.
  weight_.fill_(1 - std::min(decay_, (1.0 + steps_) / (10.0 + steps_)));
}

void MovingAverage::Update(Network& network) {
  const torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> now = Tensors(network);
  for (std::size_t i = 0; i < now.size(); ++i) average_[i].lerp_(now[i], weight_);
}

void MovingAverage::Swap(Network& network) {
  const torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> now = Tensors(network);
  for (std::size_t i = 0; i < now.size(); ++i) {
    const torch::Tensor kept = now[i].clone();
    torch::Tensor state = now[i];
    state.copy_(average_[i]);
    average_[i].copy_(kept);
  }
}

}  // namespace layernas::trainer
