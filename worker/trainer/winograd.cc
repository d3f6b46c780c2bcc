#include "worker/trainer/winograd.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "worker/trainer/vectorized.h"

// A 2x2 tile of the output comes from a 4x4 patch of the input. With d the patch, g a filter, y the tile:
//   y = A' [(G g G') * (B' d B)] A,  B' = | 1  0 -1  0 |   G = |  1    0    0  |   A' = | 1  1  1  0 |
//                                         | 0  1  1  0 |       | 1/2  1/2  1/2 |        | 0  1 -1 -1 |
//                                         | 0 -1  1  0 |       | 1/2 -1/2  1/2 |
//                                         | 0  1  0 -1 |       |  0    0    1  |
// where * multiplies the 16 places of each. Summed over channels, each place is a product of matrices. The gradient of
// the transformed filters is (B' d B) * (A dy A').

namespace layernas::trainer {
namespace {

constexpr int kPlaces = 16;
// Tiles that are transformed and multiplied together: few enough to stay in the second-level cache.
constexpr std::int64_t kTiles = 48;

// sum += left * right for so many rows and kColumns registers of columns; left(row, i) = left[row * row_step + i *
// step].
template <int kRows, int kColumns>
LAYERNAS_INLINE void MultiplyBlock(const float* left, std::int64_t row_step, std::int64_t step, const float* right,
                                   std::int64_t depth, std::int64_t columns, float* sum) {
  Lanes part[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) part[r][c] = *reinterpret_cast<const Lanes*>(sum + r * columns + c * kLanes);
  }
  for (std::int64_t i = 0; i < depth; ++i, left += step, right += columns) {
    Lanes factor[kColumns];
    for (int c = 0; c < kColumns; ++c) factor[c] = *reinterpret_cast<const Lanes*>(right + c * kLanes);
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < kColumns; ++c) part[r][c] += left[r * row_step] * factor[c];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) *reinterpret_cast<Lanes*>(sum + r * columns + c * kLanes) = part[r][c];
  }
}

// Rows are a multiple of 2, columns of 8.
LAYERNAS_INLINE void Multiply(const float* left, std::int64_t row_step, std::int64_t step, const float* right,
                              std::int64_t rows, std::int64_t depth, std::int64_t columns, float* sum) {
  for (std::int64_t c = 0; c < columns; c += 2 * kLanes) {
    const bool two = c + kLanes < columns;
    std::int64_t r = 0;
    for (; r + 6 <= rows; r += 6) {
      const float* from = left + r * row_step;
      float* to = sum + r * columns + c;
      if (two) {
        MultiplyBlock<6, 2>(from, row_step, step, right + c, depth, columns, to);
      } else {
        MultiplyBlock<6, 1>(from, row_step, step, right + c, depth, columns, to);
      }
    }
    for (; r < rows; r += 2) {
      const float* from = left + r * row_step;
      float* to = sum + r * columns + c;
      if (two) {
        MultiplyBlock<2, 2>(from, row_step, step, right + c, depth, columns, to);
      } else {
        MultiplyBlock<2, 1>(from, row_step, step, right + c, depth, columns, to);
      }
    }
  }
}

// Walks over the tiles of all images, in blocks.
class Tiles {
 public:
  explicit Tiles(const WinogradShape& shape)
      : shape_(shape), rows_((shape.height + 1) / 2), columns_((shape.width + 1) / 2) {}

  std::int64_t count() const { return shape_.images * rows_ * columns_; }
  struct Place {
    std::int64_t image, y, x;
  };
  // The upper left corner of a tile.
  LAYERNAS_INLINE Place At(std::int64_t tile) const {
    const std::int64_t in_image = tile % (rows_ * columns_);
    return {tile / (rows_ * columns_), in_image / columns_ * 2, in_image % columns_ * 2};
  }

 private:
  const WinogradShape& shape_;
  const std::int64_t rows_;
  const std::int64_t columns_;
};

// B' d B of `count` tiles from `first` on: to[place][tile][channel].
LAYERNAS_INLINE void TransformInput(const WinogradShape& shape, const Tiles& tiles, std::int64_t first,
                                    std::int64_t count, const float* input, float* to) {
  const std::int64_t channels = shape.channels;
  const std::vector<float> zeros(static_cast<std::size_t>(channels));
  for (std::int64_t t = 0; t < count; ++t) {
    const auto [image, y, x] = tiles.At(first + t);
    const float* patch[4][4];
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) {
        const std::int64_t row = y + i - 1, column = x + j - 1;
        const bool inside = row >= 0 && row < shape.height && column >= 0 && column < shape.width;
        patch[i][j] = inside ? input + ((image * shape.height + row) * shape.width + column) * channels : zeros.data();
      }
    }
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      Lanes half[4][4];
      for (int j = 0; j < 4; ++j) {
        Lanes d[4];
        for (int i = 0; i < 4; ++i) d[i] = *reinterpret_cast<const Lanes*>(patch[i][j] + c);
        half[0][j] = d[0] - d[2];
        half[1][j] = d[1] + d[2];
        half[2][j] = d[2] - d[1];
        half[3][j] = d[1] - d[3];
      }
      float* out = to + t * channels + c;
      const std::int64_t place = kTiles * channels;
      for (int i = 0; i < 4; ++i, out += 4 * place) {
        *reinterpret_cast<Lanes*>(out) = half[i][0] - half[i][2];
        *reinterpret_cast<Lanes*>(out + place) = half[i][1] + half[i][2];
        *reinterpret_cast<Lanes*>(out + 2 * place) = half[i][2] - half[i][1];
        *reinterpret_cast<Lanes*>(out + 3 * place) = half[i][1] - half[i][3];
      }
    }
  }
}

// y = A' m A of `count` tiles from `first` on, with m[place][tile][channel].
LAYERNAS_INLINE void TransformOutput(const WinogradShape& shape, const Tiles& tiles, std::int64_t first,
                                     std::int64_t count, const float* m, float* output) {
  const std::int64_t channels = shape.out_channels, place = kTiles * channels;
  for (std::int64_t t = 0; t < count; ++t) {
    const auto [image, y, x] = tiles.At(first + t);
    float* out = output + ((image * shape.height + y) * shape.width + x) * channels;
    const bool right = x + 1 < shape.width, below = y + 1 < shape.height;
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      Lanes half[2][4];
      const float* from = m + t * channels + c;
      for (int j = 0; j < 4; ++j, from += place) {
        Lanes v[4];
        for (int i = 0; i < 4; ++i) v[i] = *reinterpret_cast<const Lanes*>(from + 4 * i * place);
        half[0][j] = v[0] + v[1] + v[2];
        half[1][j] = v[1] - v[2] - v[3];
      }
      for (int i = 0; i < (below ? 2 : 1); ++i) {
        float* row = out + i * shape.width * channels + c;
        *reinterpret_cast<Lanes*>(row) = half[i][0] + half[i][1] + half[i][2];
        if (right) *reinterpret_cast<Lanes*>(row + channels) = half[i][1] - half[i][2] - half[i][3];
      }
    }
  }
}

// A dy A' of `count` tiles from `first` on: to[place][tile][channel].
LAYERNAS_INLINE void TransformGradient(const WinogradShape& shape, const Tiles& tiles, std::int64_t first,
                                       std::int64_t count, const float* gradient, float* to) {
  const std::int64_t channels = shape.out_channels, place = kTiles * channels;
  const std::vector<float> zeros(static_cast<std::size_t>(channels));
  for (std::int64_t t = 0; t < count; ++t) {
    const auto [image, y, x] = tiles.At(first + t);
    const float* tile[2][2];
    for (int i = 0; i < 2; ++i) {
      for (int j = 0; j < 2; ++j) {
        const bool inside = y + i < shape.height && x + j < shape.width;
        tile[i][j] =
            inside ? gradient + ((image * shape.height + y + i) * shape.width + x + j) * channels : zeros.data();
      }
    }
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      Lanes half[4][2];
      for (int j = 0; j < 2; ++j) {
        const Lanes upper = *reinterpret_cast<const Lanes*>(tile[0][j] + c);
        const Lanes lower = *reinterpret_cast<const Lanes*>(tile[1][j] + c);
        half[0][j] = upper;
        half[1][j] = upper + lower;
        half[2][j] = upper - lower;
        half[3][j] = -lower;
      }
      float* out = to + t * channels + c;
      for (int i = 0; i < 4; ++i, out += 4 * place) {
        *reinterpret_cast<Lanes*>(out) = half[i][0];
        *reinterpret_cast<Lanes*>(out + place) = half[i][0] + half[i][1];
        *reinterpret_cast<Lanes*>(out + 2 * place) = half[i][0] - half[i][1];
        *reinterpret_cast<Lanes*>(out + 3 * place) = -half[i][1];
      }
    }
  }
}

// One dimension of G g G', and of its transpose G' u G.
void ByG(const float* g, int step, float* u, int u_step) {
  const float sum = g[0] + g[2 * step];
  u[0] = g[0];
  u[u_step] = 0.5F * (sum + g[step]);
  u[2 * u_step] = 0.5F * (sum - g[step]);
  u[3 * u_step] = g[2 * step];
}

void ByGTransposed(const float* u, int step, float* g, int g_step) {
  const float sum = 0.5F * (u[step] + u[2 * step]), difference = 0.5F * (u[step] - u[2 * step]);
  g[0] = u[0] + sum;
  g[g_step] = difference;
  g[2 * g_step] = sum + u[3 * step];
}

// [place][in][out] from filters [out][row][column][in]. With `turned`, of the convolution that gives the gradient of
// the input: filters turned round, in and out exchanged.
std::vector<float> TransformFilters(const WinogradShape& shape, const float* filters, bool turned) {
  const std::int64_t in = shape.channels, out = shape.out_channels;
  std::vector<float> to(static_cast<std::size_t>(kPlaces * in * out));
  for (std::int64_t o = 0; o < out; ++o) {
    for (std::int64_t i = 0; i < in; ++i) {
      float g[9], half[12], u[kPlaces];
      for (int tap = 0; tap < 9; ++tap) g[turned ? 8 - tap : tap] = filters[(o * 9 + tap) * in + i];
      for (int column = 0; column < 3; ++column) ByG(g + column, 3, half + column, 3);
      for (int row = 0; row < 4; ++row) ByG(half + 3 * row, 1, u + 4 * row, 1);
      const std::int64_t at = turned ? o * in + i : i * out + o;
      for (int place = 0; place < kPlaces; ++place) to[static_cast<std::size_t>(place * in * out + at)] = u[place];
    }
  }
  return to;
}

void FilterGradient(const WinogradShape& shape, const std::vector<float>& of_transformed, float* filter_gradient) {
  const std::int64_t in = shape.channels, out = shape.out_channels;
  for (std::int64_t o = 0; o < out; ++o) {
    for (std::int64_t i = 0; i < in; ++i) {
      float u[kPlaces], half[12], g[9];
      for (int place = 0; place < kPlaces; ++place) {
        u[place] = of_transformed[static_cast<std::size_t>((place * in + i) * out + o)];
      }
      for (int column = 0; column < 4; ++column) ByGTransposed(u + column, 4, half + column, 4);
      for (int row = 0; row < 3; ++row) ByGTransposed(half + 4 * row, 1, g + 3 * row, 1);
      for (int tap = 0; tap < 9; ++tap) filter_gradient[(o * 9 + tap) * in + i] = g[tap];
    }
  }
}

std::vector<float> Buffer(std::int64_t rows, std::int64_t channels) {
  return std::vector<float>(static_cast<std::size_t>(kPlaces * rows * channels));
}

LAYERNAS_INLINE void Convolve(const WinogradShape& shape, const float* input, const std::vector<float>& filters,
                              float* output) {
  const Tiles tiles(shape);
  std::vector<float> transformed = Buffer(kTiles, shape.channels), products = Buffer(kTiles, shape.out_channels);
  for (std::int64_t first = 0; first < tiles.count(); first += kTiles) {
    const std::int64_t count = std::min(kTiles, tiles.count() - first);
    TransformInput(shape, tiles, first, count, input, transformed.data());
    std::fill(products.begin(), products.end(), 0.0F);
    for (std::int64_t place = 0; place < kPlaces; ++place) {
      Multiply(transformed.data() + place * kTiles * shape.channels, shape.channels, 1,
               filters.data() + place * shape.channels * shape.out_channels, kTiles, shape.channels, shape.out_channels,
               products.data() + place * kTiles * shape.out_channels);
    }
    TransformOutput(shape, tiles, first, count, products.data(), output);
  }
}

}  // namespace

bool SuitsWinograd(std::int64_t channels, std::int64_t out_channels) {
  return channels % kLanes == 0 && out_channels % kLanes == 0 && channels >= 16 && out_channels >= 16;
}

LAYERNAS_VECTORIZED
void WinogradForward(const WinogradShape& shape, const float* input, const float* filters, float* output) {
  Convolve(shape, input, TransformFilters(shape, filters, /*turned=*/false), output);
}

LAYERNAS_VECTORIZED
void WinogradBackward(const WinogradShape& shape, const float* input, const float* filters,
                      const float* output_gradient, float* input_gradient, float* filter_gradient) {
  WinogradShape turned = shape;
  std::swap(turned.channels, turned.out_channels);
  Convolve(turned, output_gradient, TransformFilters(shape, filters, /*turned=*/true), input_gradient);

  const Tiles tiles(shape);
  const std::int64_t in = shape.channels, out = shape.out_channels;
  std::vector<float> transformed = Buffer(kTiles, in), gradients = Buffer(kTiles, out), sums = Buffer(in, out);
  for (std::int64_t first = 0; first < tiles.count(); first += kTiles) {
    const std::int64_t count = std::min(kTiles, tiles.count() - first);
    TransformInput(shape, tiles, first, count, input, transformed.data());
    TransformGradient(shape, tiles, first, count, output_gradient, gradients.data());
    for (std::int64_t place = 0; place < kPlaces; ++place) {
      Multiply(transformed.data() + place * kTiles * in, 1, in, gradients.data() + place * kTiles * out, in, count, out,
               sums.data() + place * in * out);
    }
  }
  FilterGradient(shape, sums, filter_gradient);
}

}  // namespace layernas::trainer
