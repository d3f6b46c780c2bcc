#include "worker/trainer/flat_parameters.h"

namespace layernas::trainer {
namespace {

// Returns a view of `flat` from `offset` on, with the shape and layout of `like`.
torch::Tensor View(const torch::Tensor& flat, std::int64_t offset, const torch::Tensor& like) {
  return flat.as_strided(like.sizes(), like.strides(), offset);
}

torch::Tensor Flatten(const std::vector<torch::Tensor>& parameters) {
  std::int64_t count = 0;
  for (const torch::Tensor& parameter : parameters) count += parameter.numel();
  torch::Tensor flat = torch::zeros({count}, parameters.front().options());
  flat.mutable_grad() = torch::zeros_like(flat);
  std::int64_t offset = 0;
  for (torch::Tensor parameter : parameters) {
    const torch::Tensor view = View(flat, offset, parameter);
    view.copy_(parameter);
    parameter.set_data(view);
    parameter.mutable_grad() = View(flat.grad(), offset, view);
    offset += parameter.numel();
  }
  return flat;
}

}  // namespace

FlatParameters::FlatParameters(Network& network) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> weights, others;
  for (const torch::Tensor& parameter : network->parameters()) {
    (parameter.dim() > 1 ? weights : others).push_back(parameter);
  }
  // The last layer has both kinds of parameters.
  flat_ = {Flatten(weights), Flatten(others)};
}

}  // namespace layernas::trainer
