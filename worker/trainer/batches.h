// Batches of a data set as tensors on the device that trains.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/base/random.h"
#include "worker/trainer/dataset.h"

namespace layernas::trainer {

struct Batch {
  // Images x channels x height x width, normalised, with channels last in memory.
  torch::Tensor images;
  // 64-bit integers.
  torch::Tensor labels;
};

// Makes one batch after another. Each takes two steps, so that the second can be part of
// RepeatedWork. Not thread-safe.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  // Chooses the images of the next batch: `count` of them, from 1 to the largest batch, by their
  // indices in `set`, which is one of the data set's. With `augment`, they are changed as
  // BatchWriter describes.
  virtual void Choose(const ImageSet& set, const std::uint32_t* indices, std::size_t count, RandomStream* augment) = 0;
  // Returns the chosen batch, which is valid until the next choice. For the same set and count it
  // is always in the same place in memory, or the device alone makes it from memory that is.
  virtual Batch Take() = 0;
};

// `dataset` must outlive the result. If a GPU has enough memory, the whole data set is copied to it
// and the GPU makes the batches.
std::unique_ptr<BatchSource> MakeBatchSource(const Dataset& dataset, std::size_t largest_batch, torch::Device device);

// Makes batches in the way of a GPU, on any device.
std::unique_ptr<BatchSource> MakeDeviceBatchSource(const Dataset& dataset, std::size_t largest_batch,
                                                   torch::Device device);

}  // namespace layernas::trainer
