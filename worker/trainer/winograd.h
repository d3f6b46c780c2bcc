// Convolution with 3x3 filters by Winograd's minimal filtering, F(4x4, 3x3) (Lavin and Gray, 2016): 4 times fewer
// multiplications than the plain sum, which is all that there is to win where a processor is busy multiplying. Its
// results are off by some 5e-6 of the largest, ten times as much as with tiles of 2x2.
#pragma once

#include <cstdint>

namespace layernas::trainer {

// Images lie one after the other as rows, columns, channels, filters as output channels, rows, columns, input channels
// (channels last both). Stride 1, padded with zeros by 1. All channels are multiples of 8.
struct WinogradShape {
  std::int64_t images = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
  std::int64_t out_channels = 0;
};

// Whether the number of channels allows for it, and is large enough that it pays.
bool SuitsWinograd(std::int64_t channels, std::int64_t out_channels);

void WinogradForward(const WinogradShape& shape, const float* input, const float* filters, float* output);

// From the gradient of the output those of input and filters, which are overwritten.
void WinogradBackward(const WinogradShape& shape, const float* input, const float* filters,
                      const float* output_gradient, float* input_gradient, float* filter_gradient);

}  // namespace layernas::trainer
