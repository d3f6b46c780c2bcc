#include "worker/trainer/norm_activation.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "worker/trainer/vectorized.h"

namespace layernas::trainer {
namespace {

using network::Activation;

// The number of values in a tile, small enough that it stays in the first-level cache while all
// channels are processed.
constexpr std::int64_t kTileValues = 4096;

// Reads up to kLanes values; missing values are 0.
LAYERNAS_INLINE void Read(const float* from, std::int64_t count, Lanes& to) {
  if (count == kLanes) {
    to = *reinterpret_cast<const Lanes*>(from);
  } else {
    to = Lanes{};
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
  }
}

LAYERNAS_INLINE void Write(const Lanes& from, std::int64_t count, float* to) {
  if (count == kLanes) {
    *reinterpret_cast<Lanes*>(to) = from;
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
  }
}

// Calls visit(first row, rows, first channel, channels) for parts of the values, tile by tile.
template <typename Visit>
LAYERNAS_INLINE void ForParts(const NormShape& shape, const Visit& visit) {
  const std::int64_t tile = std::max<std::int64_t>(1, kTileValues / shape.channels);
  for (std::int64_t row = 0; row < shape.rows; row += tile) {
    const std::int64_t rows = std::min(tile, shape.rows - row);
    for (std::int64_t c = 0; c < shape.channels; c += kLanes) {
      visit(row, rows, c, std::min<std::int64_t>(kLanes, shape.channels - c));
    }
  }
}

// A value that is not a number stays so, which is how a diverged training is detected.
template <Activation kActivation>
LAYERNAS_INLINE void Activate(Lanes& value) {
  const Lanes zero = {};
  if (kActivation == Activation::kRelu) {
    value = value < zero ? zero : value;
  } else if (kActivation == Activation::kRelu6) {
    const Lanes six = zero + 6;
    value = value < zero ? zero : value;
    value = value > six ? six : value;
  } else if (kActivation == Activation::kHardSwish) {
    const Lanes six = zero + 6;
    Lanes gate = value + 3;
    gate = gate < zero ? zero : gate;
    gate = gate > six ? six : gate;
    value *= gate / 6;
  }
}

// Converts the gradient of the activation's result into the gradient of its argument `value`.
template <Activation kActivation>
LAYERNAS_INLINE void ActivateBackward(const Lanes& value, Lanes& gradient) {
  const Lanes zero = {};
  if (kActivation == Activation::kRelu) {
    gradient = value > zero ? gradient : zero;
  } else if (kActivation == Activation::kRelu6) {
    gradient = value > zero ? gradient : zero;
    gradient = value < zero + 6 ? gradient : zero;
  } else if (kActivation == Activation::kHardSwish) {
    const Lanes inner = gradient * (value / 3 + 0.5F);
    gradient = value < zero + 3 ? inner : gradient;
    gradient = value > zero - 3 ? gradient : zero;
  }
}

// Per channel: the activation's argument is (input - mean) * scale + bias.
struct Affine {
  const float* mean;
  std::vector<float> scale;
  const float* bias;
};

Affine MakeAffine(const NormShape& shape, const NormStatistics& statistics, float epsilon, const float* weight,
                  const float* bias) {
  Affine affine{statistics.mean.data(), {}, bias};
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    affine.scale.push_back(weight[c] / std::sqrt(statistics.variance[static_cast<std::size_t>(c)] + epsilon));
  }
  return affine;
}

template <Activation kActivation>
LAYERNAS_INLINE void Forward(const NormShape& shape, const Affine& affine, const float* input, float* output) {
  ForParts(shape, [&](std::int64_t row, std::int64_t rows, std::int64_t c, std::int64_t count) {
    Lanes mean, scale, bias, value;
    Read(affine.mean + c, count, mean);
    Read(affine.scale.data() + c, count, scale);
    Read(affine.bias + c, count, bias);
    for (std::int64_t i = row * shape.channels + c; rows-- > 0; i += shape.channels) {
      Read(input + i, count, value);
      value = (value - mean) * scale + bias;
      Activate<kActivation>(value);
      Write(value, count, output + i);
    }
  });
}

// Per channel, over all rows: the sums of the gradient of the activation's argument, and of that
// gradient times (input - mean).
struct Sums {
  explicit Sums(std::int64_t channels)
      : gradient(static_cast<std::size_t>(channels)), product(static_cast<std::size_t>(channels)) {}
  std::vector<double> gradient, product;
};

template <Activation kActivation>
LAYERNAS_INLINE void SumUp(const NormShape& shape, const Affine& affine, const float* input,
                           const float* output_gradient, Sums& sums) {
  ForParts(shape, [&](std::int64_t row, std::int64_t rows, std::int64_t c, std::int64_t count) {
    Lanes mean, scale, bias, value, gradient, sum = {}, product = {};
    Read(affine.mean + c, count, mean);
    Read(affine.scale.data() + c, count, scale);
    Read(affine.bias + c, count, bias);
    for (std::int64_t i = row * shape.channels + c; rows-- > 0; i += shape.channels) {
      Read(input + i, count, value);
      Read(output_gradient + i, count, gradient);
      value -= mean;
      ActivateBackward<kActivation>(value * scale + bias, gradient);
      sum += gradient;
      product += gradient * value;
    }
    for (std::int64_t lane = 0; lane < count; ++lane) {
      sums.gradient[static_cast<std::size_t>(c + lane)] += static_cast<double>(sum[lane]);
      sums.product[static_cast<std::size_t>(c + lane)] += static_cast<double>(product[lane]);
    }
  });
}

// input_gradient = scale * (gradient - constant - (input - mean) * slope), with `affine` as in
// NormForward().
struct Correction {
  std::vector<float> constant, slope;
};

template <Activation kActivation>
LAYERNAS_INLINE void InputGradient(const NormShape& shape, const Affine& affine, const Correction& correction,
                                   const float* input, const float* output_gradient, float* input_gradient) {
  ForParts(shape, [&](std::int64_t row, std::int64_t rows, std::int64_t c, std::int64_t count) {
    Lanes mean, scale, bias, constant, slope, value, gradient;
    Read(affine.mean + c, count, mean);
    Read(affine.scale.data() + c, count, scale);
    Read(affine.bias + c, count, bias);
    Read(correction.constant.data() + c, count, constant);
    Read(correction.slope.data() + c, count, slope);
    for (std::int64_t i = row * shape.channels + c; rows-- > 0; i += shape.channels) {
      Read(input + i, count, value);
      Read(output_gradient + i, count, gradient);
      value -= mean;
      ActivateBackward<kActivation>(value * scale + bias, gradient);
      gradient = scale * (gradient - constant - value * slope);
      Write(gradient, count, input_gradient + i);
    }
  });
}

}  // namespace

LAYERNAS_VECTORIZED
NormStatistics TakeNormStatistics(const NormShape& shape, const float* input) {
  const auto channels = static_cast<std::size_t>(shape.channels);
  std::vector<double> sum(channels), squares(channels);
  // Uses the differences to the first row, because squares of the values themselves may cancel out.
  const float* base = input;
  ForParts(shape, [&](std::int64_t row, std::int64_t rows, std::int64_t c, std::int64_t count) {
    Lanes first, value, part = {}, part_squares = {};
    Read(base + c, count, first);
    for (std::int64_t i = row * shape.channels + c; rows-- > 0; i += shape.channels) {
      Read(input + i, count, value);
      value -= first;
      part += value;
      part_squares += value * value;
    }
    for (std::int64_t lane = 0; lane < count; ++lane) {
      sum[static_cast<std::size_t>(c + lane)] += static_cast<double>(part[lane]);
      squares[static_cast<std::size_t>(c + lane)] += static_cast<double>(part_squares[lane]);
    }
  });
  NormStatistics statistics;
  const auto rows = static_cast<double>(shape.rows);
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = sum[c] / rows;
    statistics.mean.push_back(static_cast<float>(static_cast<double>(base[c]) + mean));
    statistics.variance.push_back(static_cast<float>(std::max(squares[c] / rows - mean * mean, 0.0)));
  }
  return statistics;
}

LAYERNAS_VECTORIZED
void NormForward(const NormShape& shape, const NormStatistics& statistics, float epsilon, const float* input,
                 const float* weight, const float* bias, float* output) {
  const Affine affine = MakeAffine(shape, statistics, epsilon, weight, bias);
  switch (shape.activation) {
    case Activation::kRelu:
      return Forward<Activation::kRelu>(shape, affine, input, output);
    case Activation::kRelu6:
      return Forward<Activation::kRelu6>(shape, affine, input, output);
    case Activation::kHardSwish:
      return Forward<Activation::kHardSwish>(shape, affine, input, output);
    default:
      return Forward<Activation::kNone>(shape, affine, input, output);
  }
}

LAYERNAS_VECTORIZED
void NormBackward(const NormShape& shape, const NormStatistics& statistics, float epsilon, const float* input,
                  const float* weight, const float* bias, const float* output_gradient, float* input_gradient,
                  float* weight_gradient, float* bias_gradient) {
  const Affine affine = MakeAffine(shape, statistics, epsilon, weight, bias);
  Sums sums(shape.channels);
  switch (shape.activation) {
    case Activation::kRelu:
      SumUp<Activation::kRelu>(shape, affine, input, output_gradient, sums);
      break;
    case Activation::kRelu6:
      SumUp<Activation::kRelu6>(shape, affine, input, output_gradient, sums);
      break;
    case Activation::kHardSwish:
      SumUp<Activation::kHardSwish>(shape, affine, input, output_gradient, sums);
      break;
    default:
      SumUp<Activation::kNone>(shape, affine, input, output_gradient, sums);
  }
  Correction correction;
  const auto rows = static_cast<double>(shape.rows);
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const double variance = static_cast<double>(statistics.variance[i]) + static_cast<double>(epsilon);
    weight_gradient[c] = static_cast<float>(sums.product[i] / std::sqrt(variance));
    bias_gradient[c] = static_cast<float>(sums.gradient[i]);
    correction.constant.push_back(static_cast<float>(sums.gradient[i] / rows));
    correction.slope.push_back(static_cast<float>(sums.product[i] / rows / variance));
  }
  switch (shape.activation) {
    case Activation::kRelu:
      return InputGradient<Activation::kRelu>(shape, affine, correction, input, output_gradient, input_gradient);
    case Activation::kRelu6:
      return InputGradient<Activation::kRelu6>(shape, affine, correction, input, output_gradient, input_gradient);
    case Activation::kHardSwish:
      return InputGradient<Activation::kHardSwish>(shape, affine, correction, input, output_gradient, input_gradient);
    default:
      return InputGradient<Activation::kNone>(shape, affine, correction, input, output_gradient, input_gradient);
  }
}

}  // namespace layernas::trainer
