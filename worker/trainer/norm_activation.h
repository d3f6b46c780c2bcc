// Batch normalization and the following activation as one operation, for training. As two
// operations they read and write each map twice as often, and that takes most of their time.
#pragma once

#include <cstdint>
#include <vector>

#include "common/network/graph.h"

namespace layernas::trainer {

// Values are stored channels last: `rows` places (images x rows x columns) of `channels` values.
struct NormShape {
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  network::Activation activation = network::Activation::kNone;
};

// The statistics of a batch, per channel.
struct NormStatistics {
  std::vector<float> mean;
  // The biased variance, with which the batch is normalised.
  std::vector<float> variance;
};

NormStatistics TakeNormStatistics(const NormShape& shape, const float* input);

// output = activation((input - mean) / sqrt(variance + epsilon) * weight + bias)
void NormForward(const NormShape& shape, const NormStatistics& statistics, float epsilon, const float* input,
                 const float* weight, const float* bias, float* output);

// Calculates the gradients of input, weight and bias from the gradient of the output, and
// overwrites them. Treats the statistics as functions of the input.
void NormBackward(const NormShape& shape, const NormStatistics& statistics, float epsilon, const float* input,
                  const float* weight, const float* bias, const float* output_gradient, float* input_gradient,
                  float* weight_gradient, float* bias_gradient);

}  // namespace layernas::trainer
