// Precision of a network's arithmetic.
#pragma once

#include <torch/types.h>

#include "worker/trainer/request.h"

namespace layernas::trainer {

// While it lives, this thread's convolutions and linear layers on `device` calculate in the given precision, from
// copies of the weights that it makes for as long. Weights, gradients and the rest stay as they are. At most one at a
// time.
class MixedPrecision {
 public:
  MixedPrecision(Precision precision, torch::Device device);
  ~MixedPrecision();
  MixedPrecision(const MixedPrecision&) = delete;
  MixedPrecision& operator=(const MixedPrecision&) = delete;

  // Whether one is at work that changes anything.
  static bool Active();

 private:
  const Precision precision_;
  const torch::Device device_;
};

torch::ScalarType TypeOf(Precision precision);

}  // namespace layernas::trainer
