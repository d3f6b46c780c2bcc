// Size and work of a network, worked out from its plan: nothing is built.
#pragma once

#include <cstdint>

#include "worker/trainer/architecture.h"

namespace layernas::trainer {

struct Counts {
  // Trainable numbers, those of batch normalization included.
  std::int64_t params = 0;
  // Of the convolutions and the linear layer, for one image. Batch normalization can be folded into the convolution
  // before it; pooling, activations and additions do not multiply.
  std::int64_t multiply_adds = 0;
};

Counts CountNetwork(const NetworkPlan& plan);

}  // namespace layernas::trainer
