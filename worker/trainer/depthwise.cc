#include "worker/trainer/depthwise.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "worker/trainer/vectorized.h"

// One image and one block of channels at a time are copied into a padded buffer. So the inner loops
// need not handle borders, and their data stays in the first-level cache.

namespace layernas::trainer {
namespace {

// The number of channels in a block: two registers of 8 lanes.
constexpr std::int64_t kBlock = 2 * kLanes;
// The number of output values of a row that are calculated together.
constexpr std::int64_t kTogether = 4;

// A map of one block of channels: rows, columns, kBlock channels.
struct Map {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<float> values;

  Map(std::int64_t h, std::int64_t w) : height(h), width(w), values(static_cast<std::size_t>(h * w * kBlock)) {}
  float* at(std::int64_t y, std::int64_t x) { return values.data() + (y * width + x) * kBlock; }
  const float* at(std::int64_t y, std::int64_t x) const { return values.data() + (y * width + x) * kBlock; }
};

// Copies a block of channels of an image into every `step`th place of `map`, starting at (offset,
// offset). Does not change the other places, nor the channels that the last block lacks.
LAYERNAS_INLINE void Load(const float* image, std::int64_t height, std::int64_t width, std::int64_t channels,
                          std::int64_t count, std::int64_t offset, std::int64_t step, Map& map) {
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const float* from = image + (y * width + x) * channels;
      float* to = map.at(offset + y * step, offset + x * step);
      if (count == kBlock) {
        std::memcpy(to, from, kBlock * sizeof(float));
      } else {
        for (std::int64_t c = 0; c < count; ++c) to[c] = from[c];
      }
    }
  }
}

// Loads the flipped filters of a block of channels as rows, columns, channels.
void LoadFlipped(const float* filters, std::int64_t kernel, std::int64_t count, float* to) {
  const std::int64_t taps = kernel * kernel;
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    for (std::int64_t c = 0; c < count; ++c) {
      to[tap * kBlock + c] = filters[c * taps + taps - 1 - tap];
    }
  }
}

// Calculates neighbouring output values of one row from a padded map.
template <std::int64_t kCount>
LAYERNAS_INLINE void CorrelateRow(const Map& map, const float* filters, std::int64_t kernel, std::int64_t y,
                                  std::int64_t x, std::int64_t count, float* out, std::int64_t channels) {
  Lanes sum[kCount][2] = {};
  for (std::int64_t ky = 0; ky < kernel; ++ky) {
    const float* row = map.at(y + ky, x);
    for (std::int64_t kx = 0; kx < kernel; ++kx) {
      const float* filter = filters + (ky * kernel + kx) * kBlock;
      const Lanes low = *reinterpret_cast<const Lanes*>(filter);
      const Lanes high = *reinterpret_cast<const Lanes*>(filter + kLanes);
      for (std::int64_t i = 0; i < kCount; ++i) {
        const float* in = row + (i + kx) * kBlock;
        sum[i][0] += low * *reinterpret_cast<const Lanes*>(in);
        sum[i][1] += high * *reinterpret_cast<const Lanes*>(in + kLanes);
      }
    }
  }
  for (std::int64_t i = 0; i < kCount; ++i) {
    float values[kBlock];
    float* to = count == kBlock ? out + i * channels : values;
    *reinterpret_cast<Lanes*>(to) = sum[i][0];
    *reinterpret_cast<Lanes*>(to + kLanes) = sum[i][1];
    if (count < kBlock) std::copy_n(values, count, out + i * channels);
  }
}

LAYERNAS_INLINE void Correlate(const Map& map, const float* filters, std::int64_t kernel, std::int64_t out_height,
                               std::int64_t out_width, std::int64_t count, float* out, std::int64_t channels) {
  for (std::int64_t y = 0; y < out_height; ++y) {
    std::int64_t x = 0;
    for (; x + kTogether <= out_width; x += kTogether) {
      CorrelateRow<kTogether>(map, filters, kernel, y, x, count, out + (y * out_width + x) * channels, channels);
    }
    for (; x < out_width; ++x) {
      CorrelateRow<1>(map, filters, kernel, y, x, count, out + (y * out_width + x) * channels, channels);
    }
  }
}

// Adds to the gradients of kCount neighbouring taps of one row of the filters.
template <std::int64_t kCount>
LAYERNAS_INLINE void AddTapGradients(const Map& input, const Map& gradient, std::int64_t stride, std::int64_t ky,
                                     std::int64_t kx, float* out) {
  Lanes sum[kCount][2] = {};
  for (std::int64_t y = 0; y < gradient.height; ++y) {
    const float* of_output = gradient.at(y, 0);
    const float* in = input.at(y * stride + ky, kx);
    for (std::int64_t x = 0; x < gradient.width; ++x, of_output += kBlock, in += stride * kBlock) {
      const Lanes low = *reinterpret_cast<const Lanes*>(of_output);
      const Lanes high = *reinterpret_cast<const Lanes*>(of_output + kLanes);
      for (std::int64_t i = 0; i < kCount; ++i) {
        sum[i][0] += low * *reinterpret_cast<const Lanes*>(in + i * kBlock);
        sum[i][1] += high * *reinterpret_cast<const Lanes*>(in + i * kBlock + kLanes);
      }
    }
  }
  for (std::int64_t i = 0; i < kCount; ++i) {
    *reinterpret_cast<Lanes*>(out + i * kBlock) += sum[i][0];
    *reinterpret_cast<Lanes*>(out + i * kBlock + kLanes) += sum[i][1];
  }
}

LAYERNAS_INLINE void AddFilterGradients(const Map& input, const Map& gradient, std::int64_t kernel, std::int64_t stride,
                                        float* out) {
  for (std::int64_t ky = 0; ky < kernel; ++ky) {
    std::int64_t kx = 0;
    // Five taps at a time, which is as many as there are registers for.
    for (; kx + 5 <= kernel; kx += 5) {
      AddTapGradients<5>(input, gradient, stride, ky, kx, out + (ky * kernel + kx) * kBlock);
    }
    for (; kx + 3 <= kernel; kx += 3) {
      AddTapGradients<3>(input, gradient, stride, ky, kx, out + (ky * kernel + kx) * kBlock);
    }
    for (; kx < kernel; ++kx) AddTapGradients<1>(input, gradient, stride, ky, kx, out + (ky * kernel + kx) * kBlock);
  }
}

std::vector<float> FilterBuffer(std::int64_t kernel) {
  return std::vector<float>(static_cast<std::size_t>(kernel * kernel * kBlock));
}

}  // namespace

LAYERNAS_VECTORIZED
void DepthwiseBackward(const DepthwiseShape& shape, const float* input, const float* filters,
                       const float* output_gradient, float* input_gradient, float* filter_gradient) {
  const std::int64_t kernel = shape.kernel, channels = shape.channels, taps = kernel * kernel;
  const std::int64_t height = shape.height, width = shape.width;
  const std::int64_t out_height = shape.out_height(), out_width = shape.out_width();
  Map map(height + kernel - 1, width + kernel - 1);
  Map gradient(out_height, out_width);
  // The gradient, with zeros at the places that the stride skipped. The gradient of the input is a
  // convolution with it.
  Map spread(height + kernel - 1, width + kernel - 1);
  std::vector<float> flipped = FilterBuffer(kernel), sums = FilterBuffer(kernel);
  for (std::int64_t c = 0; c < channels; c += kBlock) {
    const std::int64_t count = std::min(kBlock, channels - c);
    LoadFlipped(filters + c * taps, kernel, count, flipped.data());
    std::fill(sums.begin(), sums.end(), 0.0F);
    for (std::int64_t n = 0; n < shape.images; ++n) {
      const float* of_output = output_gradient + n * out_height * out_width * channels + c;
      Load(input + n * height * width * channels + c, height, width, channels, count, kernel / 2, 1, map);
      Load(of_output, out_height, out_width, channels, count, 0, 1, gradient);
      AddFilterGradients(map, gradient, kernel, shape.stride, sums.data());
      if (input_gradient == nullptr) continue;
      Load(of_output, out_height, out_width, channels, count, kernel / 2, shape.stride, spread);
      Correlate(spread, flipped.data(), kernel, height, width, count,
                input_gradient + n * height * width * channels + c, channels);
    }
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        filter_gradient[(c + i) * taps + tap] = sums[static_cast<std::size_t>(tap * kBlock + i)];
      }
    }
  }
}

}  // namespace layernas::trainer
