#include "worker/trainer/training_step.h"

#include <torch/torch.h>

#include "worker/trainer/mixed_precision.h"

namespace layernas::trainer {

TrainingStep::TrainingStep(Network& network, BatchSource& batches, const TrainSettings& settings, torch::Device device)
    : network_(network),
      batches_(batches),
      precision_(settings.precision),
      label_smoothing_(settings.label_smoothing),
      device_(device),
      parameters_(network),
      optimizer_(parameters_, settings),
      loss_sum_(torch::zeros({}, torch::TensorOptions().dtype(torch::kFloat64).device(device))),
      work_(device, [this] { Work(); }) {
  if (settings.ema_decay > 0) average_.emplace(network, settings.ema_decay);
}

void TrainingStep::Run(double learning_rate) {
  if (!network_->is_training()) network_->train();
  optimizer_.Prepare(learning_rate);
  if (average_) average_->Prepare();
  work_.Run();
}

void TrainingStep::Work() {
  const Batch batch = batches_.Take();
  optimizer_.ZeroGradients();
  torch::Tensor logits;
  {
    const MixedPrecision precision(precision_, device_);
    logits = network_(batch.images).to(torch::kFloat);
  }
  const torch::Tensor loss = torch::nn::functional::cross_entropy(
      logits, batch.labels, torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(label_smoothing_));
  loss_sum_.add_(loss.detach());
  loss.backward();
  optimizer_.Step();
  if (average_) average_->Update(network_);
}

double TrainingStep::LossSum() const { return loss_sum_.item<double>(); }

void TrainingStep::SetLossSum(double sum) { loss_sum_.fill_(sum); }

}  // namespace layernas::trainer
