#include "worker/trainer/winograd.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "worker/trainer/vectorized.h"

// A 4x4 tile of the output comes from a 6x6 patch of the input. With d the patch, g a filter, y the tile:
//   y = A' [(G g G') * (B' d B)] A
// where * multiplies the 36 places of each; A, B and G are Lavin and Gray's (ByA, ByB and ByG below). Summed over
// channels, each place is a product of matrices. The gradient of the transformed filters is (B' d B) * (A dy A').

namespace layernas::trainer {
namespace {

constexpr int kTile = 4;
constexpr int kPatch = 6;
constexpr int kPlaces = kPatch * kPatch;
// The number of tiles that are transformed and multiplied together, small enough to stay in the
// second-level cache.
constexpr std::int64_t kTiles = 24;

LAYERNAS_INLINE const Lanes& At(const float* values) { return *reinterpret_cast<const Lanes*>(values); }
LAYERNAS_INLINE Lanes& At(float* values) { return *reinterpret_cast<Lanes*>(values); }

// sum += left * right for kRows rows and kColumns registers of columns, with left(row, i) =
// left[row * row_step + i * step].
template <int kRows, int kColumns>
LAYERNAS_INLINE void MultiplyBlock(const float* left, std::int64_t row_step, std::int64_t step, const float* right,
                                   std::int64_t depth, std::int64_t columns, float* sum) {
  Lanes part[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) part[r][c] = At(sum + r * columns + c * kLanes);
  }
  for (std::int64_t i = 0; i < depth; ++i, left += step, right += columns) {
    Lanes factor[kColumns];
    for (int c = 0; c < kColumns; ++c) factor[c] = At(right + c * kLanes);
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < kColumns; ++c) part[r][c] += left[r * row_step] * factor[c];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) At(sum + r * columns + c * kLanes) = part[r][c];
  }
}

template <int kRows>
LAYERNAS_INLINE void MultiplyRows(const float* left, std::int64_t row_step, std::int64_t step, const float* right,
                                  std::int64_t depth, std::int64_t columns, bool two, float* sum) {
  if (two) {
    MultiplyBlock<kRows, 2>(left, row_step, step, right, depth, columns, sum);
  } else {
    MultiplyBlock<kRows, 1>(left, row_step, step, right, depth, columns, sum);
  }
}

// The number of rows must be a multiple of 2, that of columns a multiple of 8.
LAYERNAS_INLINE void Multiply(const float* left, std::int64_t row_step, std::int64_t step, const float* right,
                              std::int64_t rows, std::int64_t depth, std::int64_t columns, float* sum) {
  for (std::int64_t c = 0; c < columns; c += 2 * kLanes) {
    const bool two = c + kLanes < columns;
    std::int64_t r = 0;
    for (; r + 6 <= rows; r += 6) {
      MultiplyRows<6>(left + r * row_step, row_step, step, right + c, depth, columns, two, sum + r * columns + c);
    }
    for (; r + 4 <= rows; r += 4) {
      MultiplyRows<4>(left + r * row_step, row_step, step, right + c, depth, columns, two, sum + r * columns + c);
    }
    for (; r < rows; r += 2) {
      MultiplyRows<2>(left + r * row_step, row_step, step, right + c, depth, columns, two, sum + r * columns + c);
    }
  }
}

// Iterates over the tiles of all images, in blocks.
class Tiles {
 public:
  explicit Tiles(const WinogradShape& shape)
      : shape_(shape), rows_((shape.height + kTile - 1) / kTile), columns_((shape.width + kTile - 1) / kTile) {}

  std::int64_t count() const { return shape_.images * rows_ * columns_; }
  struct Place {
    std::int64_t image, y, x;
  };
  // Returns the upper left corner of a tile.
  LAYERNAS_INLINE Place At(std::int64_t tile) const {
    const std::int64_t in_image = tile % (rows_ * columns_);
    return {tile / (rows_ * columns_), in_image / columns_ * kTile, in_image % columns_ * kTile};
  }

 private:
  const WinogradShape& shape_;
  const std::int64_t rows_;
  const std::int64_t columns_;
};

// B' d for one column.
LAYERNAS_INLINE void ByB(const Lanes* d, int step, Lanes* to, int to_step) {
  const Lanes d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
  const Lanes even = d4 - 4 * d2, odd = d3 - 4 * d1, even2 = d4 - d2, odd2 = 2 * (d3 - d1);
  to[0] = 4 * d[0] - 5 * d2 + d4;
  to[to_step] = even + odd;
  to[2 * to_step] = even - odd;
  to[3 * to_step] = even2 + odd2;
  to[4 * to_step] = even2 - odd2;
  to[5 * to_step] = 4 * d1 - 5 * d3 + d[5 * step];
}

// A' m for one column.
LAYERNAS_INLINE void ByA(const Lanes* m, int step, Lanes* to, int to_step) {
  const Lanes sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
  const Lanes sum2 = m[3 * step] + m[4 * step], difference2 = m[3 * step] - m[4 * step];
  to[0] = m[0] + sum + sum2;
  to[to_step] = difference + 2 * difference2;
  to[2 * to_step] = sum + 4 * sum2;
  to[3 * to_step] = difference + 8 * difference2 + m[5 * step];
}

// A y for one column.
LAYERNAS_INLINE void ByATransposed(const Lanes* y, int step, Lanes* to, int to_step) {
  const Lanes even = y[0] + y[2 * step], odd = y[step] + y[3 * step];
  const Lanes even2 = y[0] + 4 * y[2 * step], odd2 = 2 * y[step] + 8 * y[3 * step];
  to[0] = y[0];
  to[to_step] = even + odd;
  to[2 * to_step] = even - odd;
  to[3 * to_step] = even2 + odd2;
  to[4 * to_step] = even2 - odd2;
  to[5 * to_step] = y[3 * step];
}

// Loads kSize x kSize neighbours of one image, starting at (y, x), with eight channels of each.
// Values outside of the image are zero.
template <int kSize>
LAYERNAS_INLINE void Load(const float* image, std::int64_t height, std::int64_t width, std::int64_t channels,
                          std::int64_t y, std::int64_t x, Lanes* to) {
  const float* first = image + (y * width + x) * channels;
  if (y >= 0 && x >= 0 && y + kSize <= height && x + kSize <= width) {
    for (int i = 0; i < kSize; ++i) {
      for (int j = 0; j < kSize; ++j) to[i * kSize + j] = At(first + (i * width + j) * channels);
    }
    return;
  }
  for (int i = 0; i < kSize; ++i) {
    for (int j = 0; j < kSize; ++j) {
      const bool inside = y + i >= 0 && y + i < height && x + j >= 0 && x + j < width;
      to[i * kSize + j] = inside ? At(first + (i * width + j) * channels) : Lanes{};
    }
  }
}

// B' d B of `count` tiles, starting at `first`: to[place][tile][channel].
LAYERNAS_INLINE void TransformInput(const WinogradShape& shape, const Tiles& tiles, std::int64_t first,
                                    std::int64_t count, const float* input, float* to) {
  const std::int64_t channels = shape.channels;
  for (std::int64_t t = 0; t < count; ++t) {
    const auto [image, y, x] = tiles.At(first + t);
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      Lanes d[kPlaces], half[kPlaces], u[kPatch];
      Load<kPatch>(input + image * shape.height * shape.width * channels + c, shape.height, shape.width, channels,
                   y - 1, x - 1, d);
      for (int column = 0; column < kPatch; ++column) ByB(d + column, kPatch, half + column, kPatch);
      float* out = to + t * channels + c;
      for (int row = 0; row < kPatch; ++row) {
        ByB(half + row * kPatch, 1, u, 1);
        for (int i = 0; i < kPatch; ++i, out += kTiles * channels) At(out) = u[i];
      }
    }
  }
}

// y = A' m A of `count` tiles, starting at `first`, with m[place][tile][channel].
LAYERNAS_INLINE void TransformOutput(const WinogradShape& shape, const Tiles& tiles, std::int64_t first,
                                     std::int64_t count, const float* m, float* output) {
  const std::int64_t channels = shape.out_channels;
  for (std::int64_t t = 0; t < count; ++t) {
    const auto [image, y, x] = tiles.At(first + t);
    const std::int64_t rows = std::min<std::int64_t>(kTile, shape.height - y);
    const std::int64_t columns = std::min<std::int64_t>(kTile, shape.width - x);
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      Lanes v[kPatch], half[kTile * kPatch], tile[kTile];
      const float* from = m + t * channels + c;
      const std::int64_t place = kTiles * channels;
      for (int column = 0; column < kPatch; ++column) {
        for (int i = 0; i < kPatch; ++i) {
          v[i] = At(from + (i * kPatch + column) * place);
        }
        ByA(v, 1, half + column, kPatch);
      }
      float* out = output + ((image * shape.height + y) * shape.width + x) * channels + c;
      for (std::int64_t i = 0; i < rows; ++i, out += shape.width * channels) {
        ByA(half + i * kPatch, 1, tile, 1);
        for (std::int64_t j = 0; j < columns; ++j) At(out + j * channels) = tile[j];
      }
    }
  }
}

// A dy A' of `count` tiles, starting at `first`: to[place][tile][channel].
LAYERNAS_INLINE void TransformGradient(const WinogradShape& shape, const Tiles& tiles, std::int64_t first,
                                       std::int64_t count, const float* gradient, float* to) {
  const std::int64_t channels = shape.out_channels;
  for (std::int64_t t = 0; t < count; ++t) {
    const auto [image, y, x] = tiles.At(first + t);
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      Lanes tile[kTile * kTile], half[kPatch * kTile], u[kPatch];
      Load<kTile>(gradient + image * shape.height * shape.width * channels + c, shape.height, shape.width, channels, y,
                  x, tile);
      for (int column = 0; column < kTile; ++column) ByATransposed(tile + column, kTile, half + column, kTile);
      float* out = to + t * channels + c;
      for (int row = 0; row < kPatch; ++row) {
        ByATransposed(half + row * kTile, 1, u, 1);
        for (int i = 0; i < kPatch; ++i, out += kTiles * channels) At(out) = u[i];
      }
    }
  }
}

// G g for one column.
LAYERNAS_INLINE void ByG(const Lanes* g, int step, Lanes* to, int to_step) {
  const Lanes even = (g[0] + g[2 * step]) * (1.0F / 6), odd = g[step] * (1.0F / 6);
  const Lanes even2 = g[0] * (1.0F / 24) + g[2 * step] * (1.0F / 6), odd2 = g[step] * (1.0F / 12);
  to[0] = g[0] * 0.25F;
  to[to_step] = -even - odd;
  to[2 * to_step] = odd - even;
  to[3 * to_step] = even2 + odd2;
  to[4 * to_step] = even2 - odd2;
  to[5 * to_step] = g[2 * step];
}

// G' u for one column.
LAYERNAS_INLINE void ByGTransposed(const Lanes* u, int step, Lanes* to, int to_step) {
  const Lanes sum = (u[step] + u[2 * step]) * (1.0F / 6), difference = (u[step] - u[2 * step]) * (1.0F / 6);
  const Lanes sum2 = (u[3 * step] + u[4 * step]) * (1.0F / 24);
  const Lanes difference2 = (u[3 * step] - u[4 * step]) * (1.0F / 12);
  to[0] = u[0] * 0.25F - sum + sum2;
  to[to_step] = difference2 - difference;
  to[2 * to_step] = 4 * sum2 - sum + u[5 * step];
}

// Transforms filters [out][row][column][in] to [place][in][out]. With `turned`, the result is for
// the convolution that calculates the gradient of the input: the filters are rotated, and in and
// out are exchanged.
LAYERNAS_INLINE std::vector<float> TransformFilters(const WinogradShape& shape, const float* filters, bool turned) {
  const std::int64_t in = shape.channels, out = shape.out_channels;
  std::vector<float> to(static_cast<std::size_t>(kPlaces * in * out));
  // The channels that come last in the result are processed eight at a time.
  const std::int64_t slow = turned ? out : in, fast = turned ? in : out;
  for (std::int64_t s = 0; s < slow; ++s) {
    for (std::int64_t f = 0; f < fast; f += kLanes) {
      Lanes g[9], half[3 * kPatch], u[kPatch];
      for (int tap = 0; tap < 9; ++tap) {
        if (turned) {
          g[8 - tap] = At(filters + (s * 9 + tap) * in + f);
        } else {
          for (int lane = 0; lane < kLanes; ++lane) g[tap][lane] = filters[((f + lane) * 9 + tap) * in + s];
        }
      }
      for (int column = 0; column < 3; ++column) ByG(g + column, 3, half + column, 3);
      float* place = to.data() + s * fast + f;
      for (int row = 0; row < kPatch; ++row) {
        ByG(half + 3 * row, 1, u, 1);
        for (int i = 0; i < kPatch; ++i, place += in * out) At(place) = u[i];
      }
    }
  }
  return to;
}

LAYERNAS_INLINE void FilterGradient(const WinogradShape& shape, const std::vector<float>& of_transformed,
                                    float* filter_gradient) {
  const std::int64_t in = shape.channels, out = shape.out_channels;
  for (std::int64_t i = 0; i < in; ++i) {
    for (std::int64_t o = 0; o < out; o += kLanes) {
      Lanes u[kPatch], half[3 * kPatch], g[3];
      for (int column = 0; column < kPatch; ++column) {
        for (int row = 0; row < kPatch; ++row) {
          u[row] = At(of_transformed.data() + ((row * kPatch + column) * in + i) * out + o);
        }
        ByGTransposed(u, 1, half + column, kPatch);
      }
      for (int row = 0; row < 3; ++row) {
        ByGTransposed(half + kPatch * row, 1, g, 1);
        for (int column = 0; column < 3; ++column) {
          for (int lane = 0; lane < kLanes; ++lane) {
            filter_gradient[((o + lane) * 9 + 3 * row + column) * in + i] = g[column][lane];
          }
        }
      }
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
