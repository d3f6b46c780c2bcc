// Images with labels, where they come from, and how they become training batches. No torch here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "common/network/graph.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

using network::Shape;

// Images of one shape, in memory one after the other: rows, columns, channels (channels last).
struct ImageSet {
  Shape shape;
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> labels;

  std::size_t size() const { return labels.size(); }
  std::size_t image_bytes() const {
    return static_cast<std::size_t>(shape.channels) * static_cast<std::size_t>(shape.height) *
           static_cast<std::size_t>(shape.width);
  }
};

struct Dataset {
  ImageSet train;
  // What the accuracy is taken on.
  ImageSet holdout;
  // Labels are below it.
  int classes = 0;
  // Of the training images, per channel, on the scale 0 to 255.
  std::vector<float> mean;
  std::vector<float> deviation;
};

// Training and holdout images as DataSettings asks for them:
//  * shapes10: generated, nothing is read; 4,000 and 1,000 images without a number given.
//  * cifar10, cifar100, idx: read from data_dir/folder. The validation images are drawn from the training files by
//    data_seed (5,000, or a tenth where there are fewer than 50,000), the training images from the rest (all of it
//    without a number given). With holdout = test, the holdout is the test file's images, the first validation_examples
//    of them where that is given.
// Throws InfeasibleError for what the data set does not have, MachineError for files that are missing or broken.
Dataset LoadDataset(const DataSettings& settings, const std::filesystem::path& data_dir);

// Keeps the last few data sets of this process, because one process answers many requests for the same. Not
// thread-safe.
class DatasetCache {
 public:
  explicit DatasetCache(std::filesystem::path data_dir) : data_dir_(std::move(data_dir)) {}

  // As LoadDataset. Failures are not kept.
  std::shared_ptr<const Dataset> Get(const DataSettings& settings);

 private:
  const std::filesystem::path data_dir_;
  // Most recently used first.
  std::vector<std::pair<std::string, std::shared_ptr<const Dataset>>> entries_;
};

// Writes images of a set as normalised floats into a buffer, in the layout of ImageSet.
class BatchWriter {
 public:
  // Mean and deviation of `dataset` are copied.
  explicit BatchWriter(const Dataset& dataset);

  // `indices` names `count` images of `set`; `out` has room for count * set.image_bytes() floats. With `augment`, each
  // image is flipped left to right every second time and shifted by up to an eighth of its size, the gap filled with
  // the mean; the choices are drawn from it.
  void Write(const ImageSet& set, const std::uint32_t* indices, std::size_t count, RandomStream* augment,
             float* out) const;

 private:
  // Normalised value by channel and byte.
  std::vector<float> table_;
};

}  // namespace layernas::trainer
