// The gradients of a depthwise convolution (one filter per channel). Torch's own version takes
// longer than the rest of a network with such layers.
#pragma once

#include <cstdint>

namespace layernas::trainer {

// Images are stored one after another as rows, columns, channels (channels last), and filters as
// channels, rows, columns. The kernel size is odd. The input is padded with zeros by half of it,
// and an output has (size - 1) / stride + 1 rows or columns.
struct DepthwiseShape {
  std::int64_t images = 0;
  std::int64_t channels = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;

  std::int64_t out_height() const { return (height - 1) / stride + 1; }
  std::int64_t out_width() const { return (width - 1) / stride + 1; }
};

// Calculates the gradients of input and filters from the gradient of the output, and overwrites
// them. `input_gradient` may be null.
void DepthwiseBackward(const DepthwiseShape& shape, const float* input, const float* filters,
                       const float* output_gradient, float* input_gradient, float* filter_gradient);

}  // namespace layernas::trainer
