// What a training does with each batch.
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

// Of one training. Nothing but LossSum waits for the device.
class TrainingStep {
 public:
  // `network` lies on `device` and becomes FlatParameters'. Both references must stay.
  TrainingStep(Network& network, BatchSource& batches, const TrainSettings& settings, torch::Device device);

  // With the batch that was chosen last in `batches`, which has the same size each time.
  void Run(double learning_rate);

  // Over the batches since it was set; not a finite number if one of their losses was none.
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
