// shapes10: a data set that is drawn instead of downloaded. RGB, 32x32 or any other size, ten classes of shapes, turned
// (up to 35 degrees), stretched and placed at random, in any colour that is brighter than the textured ground, partly
// covered, with noise. The classes differ in geometry alone. A linear model on the pixels gets no further than 20 %,
// where chance is 10 %; five epochs on 4,000 images bring small convolutional networks to between 65 and 80 %.
#pragma once

#include <initializer_list>
#include <memory>

#include "worker/trainer/image_source.h"

namespace layernas::trainer {

inline constexpr int kShapes10Classes = 10;

// `count` images of size x size, drawn when they are read: the same drawings in every size; the classes take turns.
// Fixed by the key alone: image i is the same for every count above i.
std::unique_ptr<ImageSource> MakeShapes10(std::initializer_list<std::uint64_t> key, int count, int size = 32);

}  // namespace layernas::trainer
