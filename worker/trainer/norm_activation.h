// Batch normalization and the activation after it in one go, while training. Apart, they read and write each map twice
// as often, which is what takes the time.
#pragma once

#include <cstdint>
#include <vector>

#include "common/network/graph.h"

namespace layernas::trainer {

// Values lie channels last: `rows` places (images x rows x columns) of `channels` values.
struct NormShape {
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  network::Activation activation = network::Activation::kNone;
};

// Of a batch, per channel.
struct NormStatistics {
  std::vector<float> mean;
  // Biased: what the batch is normalised with.
  std::vector<float> variance;
};

NormStatistics TakeNormStatistics(const NormShape& shape, const float* input);

// output = activation((input - mean) / sqrt(variance + epsilon) * weight + bias)
void NormForward(const NormShape& shape, const NormStatistics& statistics, float epsilon, const float* input,
                 const float* weight, const float* bias, float* output);

// From the gradient of the output those of input, weight and bias, which are overwritten; the statistics count as
// functions of the input.
void NormBackward(const NormShape& shape, const NormStatistics& statistics, float epsilon, const float* input,
                  const float* weight, const float* bias, const float* output_gradient, float* input_gradient,
                  float* weight_gradient, float* bias_gradient);

}  // namespace layernas::trainer
