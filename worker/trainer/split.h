// Draws subsets of labelled images in which every class has its share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "worker/trainer/image_source.h"

namespace layernas::trainer {

// Indices of images, in ascending order.
struct Split {
  std::vector<std::uint32_t> train;
  std::vector<std::uint32_t> held_out;
};

// Divides images: `held_out` of them are held out, and `train` of the rest are for training. There
// must be enough images. Both parts are stratified: each class has its share of them, rounded. If
// the numbers allow it, a class of two or more images has at least one in each part, and a class of
// one image is in the training part. The draw depends only on `seed` and the labels. Thread-safe.
Split DrawSplit(const std::vector<Label>& labels, std::size_t held_out, std::size_t train, std::uint64_t seed);

// Draws `count` images, stratified in the same way, in ascending order.
std::vector<std::uint32_t> DrawSubset(const std::vector<Label>& labels, std::size_t count, std::uint64_t seed);

// Names the classes that have no image among those with the given labels: "2 of 10 classes have no training image: …".
// `part` is the kind of image, such as "training". `names` may be empty: then classes are named by their numbers. At
// most five classes are named. Returns an empty text if every class has an image.
std::string DescribeMissingClasses(const std::string& part, const std::vector<Label>& labels, int classes,
                                   const std::vector<std::string>& names);

}  // namespace layernas::trainer
