// shapes10: a data set that is drawn instead of downloaded. It has RGB images of 32x32 or any other
// size, in ten classes of shapes. A shape is rotated (up to 35 degrees), stretched, placed at
// random, and partly covered. It has any colour that is brighter than the textured ground, and
// noise. The classes differ only in geometry. A linear model on the pixels reaches at most 20 %,
// where chance is 10 %. Five epochs on 4,000 images bring small convolutional networks to between
// 65 and 80 %.
#pragma once

#include <initializer_list>
#include <memory>

#include "worker/trainer/image_source.h"

namespace layernas::trainer {

inline constexpr int kShapes10Classes = 10;

// Returns `count` images of size x size, drawn when they are read. They depend only on the key:
// image i is the same for every count above i, and shows the same drawing in every size. The
// classes alternate.
std::unique_ptr<ImageSource> MakeShapes10(std::initializer_list<std::uint64_t> key, int count, int size = 32);

}  // namespace layernas::trainer
