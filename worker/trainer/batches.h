// Batches of a data set as tensors, on the device that trains.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/base/random.h"
#include "worker/trainer/dataset.h"

namespace layernas::trainer {

struct Batch {
  // Images x channels x height x width, normalised, channels last in memory.
  torch::Tensor images;
  // 64 bits each.
  torch::Tensor labels;
};

// One batch after another, in two steps, so that the second can be part of RepeatedWork. Not thread-safe.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  // Says which images the next batch holds: `count` of them, from 1 to the largest batch, by their indices in `set`,
  // which is one of the data set's. With `augment` they are changed as BatchWriter has it.
  virtual void Choose(const ImageSet& set, const std::uint32_t* indices, std::size_t count, RandomStream* augment) = 0;
  // What was chosen last; valid until the next choice. Each time in the same place for the same set and count, or made
  // by the device alone from what is.
  virtual Batch Take() = 0;
};

// `dataset` must stay. On a GPU with room for it the whole data set goes there, and the GPU makes the batches.
std::unique_ptr<BatchSource> MakeBatchSource(const Dataset& dataset, std::size_t largest_batch, torch::Device device);

// The way a GPU does it, on any device.
std::unique_ptr<BatchSource> MakeDeviceBatchSource(const Dataset& dataset, std::size_t largest_batch,
                                                   torch::Device device);

}  // namespace layernas::trainer
