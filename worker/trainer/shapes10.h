// shapes10: a data set that is drawn instead of downloaded. 32x32 RGB, ten classes of shapes in any pose, size and
// colour, on textured grounds, partly covered, with noise. Hard for a linear model on pixels (under 40 %), within reach
// of a small convolutional network; the classes differ in geometry alone, so that colour and place say nothing.
#pragma once

#include <initializer_list>

#include "worker/trainer/dataset.h"

namespace layernas::trainer {

inline constexpr int kShapes10Classes = 10;

// `count` images; the classes take turns. Fixed by the key alone: image i is the same for every count above i.
ImageSet GenerateShapes10(std::initializer_list<std::uint64_t> key, int count);

}  // namespace layernas::trainer
