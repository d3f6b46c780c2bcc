// The work of a training for each batch.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>

#include "worker/trainer/batches.h"
#include "worker/trainer/flat_parameters.h"
#include "worker/trainer/moving_average.h"
#include "worker/trainer/network.h"
#include "worker/trainer/optimizer.h"
#include "worker/trainer/repeated_work.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

// The step of one training. Only LossSum() waits for the device.
class TrainingStep {
 public:
  // `network` must be on `device`; its parameters become views of FlatParameters. Both references
  // must outlive this object.
  TrainingStep(Network& network, BatchSource& batches, const TrainSettings& settings, torch::Device device);

  // Runs with the batch that was chosen last in `batches`. All batches must have the same size.
  void Run(double learning_rate);

  // The sum over the batches since SetLossSum(). It is not finite if the loss of one of them was
  // not.
  double LossSum() const;
  void SetLossSum(double sum);

  FlatOptimizer& optimizer() { return optimizer_; }
  // Null without settings.ema_decay.
  MovingAverage* average() { return average_ ? &*average_ : nullptr; }

 private:
  void Work();

  Network& network_;
  BatchSource& batches_;
  const Precision precision_;
  const double label_smoothing_;
  const torch::Device device_;
  const FlatParameters parameters_;
  FlatOptimizer optimizer_;
  std::optional<MovingAverage> average_;
  torch::Tensor loss_sum_;
  RepeatedWork work_;
};

}  // namespace layernas::trainer
