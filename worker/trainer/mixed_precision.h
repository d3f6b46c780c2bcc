// The precision of a network's arithmetic.
#pragma once

#include <torch/types.h>

#include "worker/trainer/request.h"

namespace layernas::trainer {

// While this object lives, this thread's convolutions and linear layers on `device` calculate in
// the given precision. It makes copies of the weights for that time; weights, gradients and all
// other values stay as they are. At most one object may exist at a time.
class MixedPrecision {
 public:
  MixedPrecision(Precision precision, torch::Device device);
  ~MixedPrecision();
  MixedPrecision(const MixedPrecision&) = delete;
  MixedPrecision& operator=(const MixedPrecision&) = delete;

  // Returns true if an object exists that changes the precision.
  static bool Active();

 private:
  const Precision precision_;
  const torch::Device device_;
};

torch::ScalarType TypeOf(Precision precision);

}  // namespace layernas::trainer
