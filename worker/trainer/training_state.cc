#include "worker/trainer/training_state.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <sstream>

#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

// Returns the weights and the statistics of the normalizations.
std::vector<torch::Tensor> Tensors(Network& network) {
  std::vector<torch::Tensor> tensors = network->parameters();
  const std::vector<torch::Tensor> buffers = network->buffers();
  tensors.insert(tensors.end(), buffers.begin(), buffers.end());
  return tensors;
}

// Returns these tensors, the average of both, and the optimizer's tensors.
std::vector<torch::Tensor> Tensors(Network& network, TrainingStep& step) {
  std::vector<torch::Tensor> tensors = Tensors(network);
  const auto append = [&](const std::vector<torch::Tensor>& more) {
    tensors.insert(tensors.end(), more.begin(), more.end());
  };
  append(step.optimizer().tensors());
  if (step.average() != nullptr) append(step.average()->tensors());
  return tensors;
}

std::string TensorName(std::size_t index) { return "tensor" + std::to_string(index); }

std::string BestName(std::size_t index) { return "best" + std::to_string(index); }

torch::Tensor ReadTensor(torch::serialize::InputArchive& archive, const std::string& name) {
  torch::Tensor tensor;
  archive.read(name, tensor, /*is_buffer=*/true);
  return tensor;
}

}  // namespace

std::vector<torch::Tensor> CopyTensors(Network& network) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> copies;
  for (const torch::Tensor& tensor : Tensors(network)) copies.push_back(tensor.detach().clone());
  return copies;
}

void RestoreTensors(const std::vector<torch::Tensor>& copies, Network& network) {
  const torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> tensors = Tensors(network);
  for (std::size_t i = 0; i < tensors.size(); ++i) torch::Tensor(tensors[i]).copy_(copies[i]);
}

std::string SaveTraining(const TrainingState& state, Network& network, TrainingStep& step) {
  const torch::NoGradGuard no_grad;
  torch::serialize::OutputArchive archive;
  const std::vector<std::int64_t> whole = {static_cast<std::int64_t>(state.random.state()), state.epoch, state.batch,
                                           state.best_epoch};
  const std::vector<double> real = {state.loss_sum, state.best_accuracy, state.seconds, step.optimizer().steps(),
                                    step.average() == nullptr ? 0 : step.average()->steps()};
  const std::vector<std::int64_t> order(state.order.begin(), state.order.end());
  archive.write("whole", torch::tensor(whole, torch::kInt64), true);
  archive.write("real", torch::tensor(real, torch::kFloat64), true);
  torch::Tensor curve = torch::empty({static_cast<std::int64_t>(state.curve.size()), 2}, torch::kFloat64);
  auto* value = curve.data_ptr<double>();
  for (const EpochResult& epoch : state.curve) {
    *value++ = epoch.train_loss;
    *value++ = epoch.accuracy;
  }
  archive.write("curve", curve, true);
  archive.write("order", torch::tensor(order, torch::kInt64), true);
  archive.write("generator", at::detail::getDefaultCPUGenerator().get_state(), true);
  const std::vector<torch::Tensor> tensors = Tensors(network, step);
  for (std::size_t i = 0; i < tensors.size(); ++i) archive.write(TensorName(i), tensors[i].detach().cpu(), true);
  for (std::size_t i = 0; i < state.best.size(); ++i) archive.write(BestName(i), state.best[i].cpu(), true);
  std::ostringstream bytes;
  archive.save_to(bytes);
  return bytes.str();
}

void LoadTraining(const std::string& bytes, TrainingState& state, Network& network, TrainingStep& step) {
  const torch::NoGradGuard no_grad;
  std::istringstream in(bytes);
  torch::serialize::InputArchive archive;
  archive.load_from(in);
  const torch::Tensor whole = ReadTensor(archive, "whole"), real = ReadTensor(archive, "real"),
                      order = ReadTensor(archive, "order"), curve = ReadTensor(archive, "curve");
  const auto* indices = order.data_ptr<std::int64_t>();
  if (whole.numel() != 4 || real.numel() != 5 || static_cast<std::size_t>(order.numel()) != state.order.size() ||
      std::any_of(indices, indices + order.numel(),
                  [&](std::int64_t index) { return index < 0 || index >= order.numel(); })) {
    throw MachineError("the checkpoint belongs to another training");
  }
  for (std::size_t i = 0; i < state.order.size(); ++i) state.order[i] = static_cast<std::uint32_t>(indices[i]);
  state.random = RandomStream::FromState(static_cast<std::uint64_t>(whole[0].item<std::int64_t>()));
  state.epoch = whole[1].item<std::int64_t>();
  state.batch = whole[2].item<std::int64_t>();
  state.best_epoch = whole[3].item<std::int64_t>();
  state.loss_sum = real[0].item<double>();
  state.best_accuracy = real[1].item<double>();
  state.seconds = real[2].item<double>();
  step.optimizer().set_steps(real[3].item<double>());
  if (step.average() != nullptr) step.average()->set_steps(real[4].item<double>());
  std::vector<torch::Tensor> tensors = Tensors(network, step);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const torch::Tensor kept = ReadTensor(archive, TensorName(i));
    if (kept.sizes() != tensors[i].sizes()) throw MachineError("the checkpoint belongs to another network");
    tensors[i].copy_(kept);
  }
  state.curve.clear();
  for (std::int64_t i = 0; i < curve.size(0); ++i) {
    state.curve.push_back({static_cast<int>(i) + 1, curve[i][0].item<double>(), curve[i][1].item<double>()});
  }
  state.best.clear();
  if (state.best_epoch > 0) {
    state.best = CopyTensors(network);
    for (std::size_t i = 0; i < state.best.size(); ++i) state.best[i].copy_(ReadTensor(archive, BestName(i)));
  }
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  generator.set_state(ReadTensor(archive, "generator"));
}

}  // namespace layernas::trainer
