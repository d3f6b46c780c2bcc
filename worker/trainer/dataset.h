// Labelled images: where they come from, and how they become training batches. Does not depend on
// torch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/random.h"
#include "worker/trainer/image_source.h"
#include "worker/trainer/request.h"
#include "worker/trainer/tick.h"

namespace layernas::trainer {

// An array that never changes and lives as long as anyone holds it.
template <typename T>
class SharedArray {
 public:
  SharedArray() = default;
  SharedArray(std::shared_ptr<const T> first, std::size_t size) : first_(std::move(first)), size_(size) {}

  const T* data() const { return first_.get(); }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  std::size_t size() const { return size_; }
  const T& operator[](std::size_t index) const { return data()[index]; }

 private:
  std::shared_ptr<const T> first_;
  std::size_t size_ = 0;
};

// Images of one shape, one after another in memory: rows, columns, channels (channels last).
struct ImageSet {
  Shape shape;
  SharedArray<std::uint8_t> pixels;
  SharedArray<Label> labels;

  std::size_t size() const { return labels.size(); }
  std::size_t image_bytes() const { return ImageBytes(shape); }
};

// The numbers of images and their shape.
struct DatasetLayout {
  Shape shape;
  std::size_t train = 0;
  std::size_t holdout = 0;
  std::size_t validation = 0;
  // Labels are less than this.
  int classes = 0;

  std::size_t images() const { return train + holdout + validation; }
  // The size of the block of memory that holds all images and labels.
  std::size_t block_bytes() const;
};

struct Dataset {
  // The layout in memory.
  DatasetLayout layout;
  ImageSet train;
  // Validation or test images, which determine the accuracy.
  ImageSet holdout;
  // With DataSettings::with_validation: the images that determine the best epoch. Otherwise empty,
  // and `holdout` determines it.
  ImageSet validation;

  const ImageSet& selection() const { return validation.size() > 0 ? validation : holdout; }

  // Labels are less than this.
  int classes = 0;
  // Statistics of the training images per channel, on the scale from 0 to 255.
  std::vector<float> mean;
  std::vector<float> deviation;
  // The checksum of all images and labels (see cache_folder.h).
  std::uint32_t checksum = 0;
  // Warnings for the log: unusual files, skipped files, and classes that a part lacks.
  std::vector<std::string> notes = {};
};

// The values of LoadBlock::states.
constexpr std::uint8_t kImageMissing = 0;
constexpr std::uint8_t kImageRead = 1;
constexpr std::uint8_t kImageReadWithWarning = 2;
// With DataSettings::skip_bad_files: the image is skipped.
constexpr std::uint8_t kImageBroken = 3;

// The memory that a data set is loaded into.
struct LoadBlock {
  // DatasetLayout::block_bytes() bytes, aligned for any type.
  std::shared_ptr<std::uint8_t> bytes;
  // One state per image. An image that is already there is not read again. A state is set only when
  // the image is complete, so that a process that is killed leaves no wrong state. Null if the
  // block is empty and nobody needs the states.
  std::uint8_t* states = nullptr;
};
using MakeBlock = std::function<LoadBlock(const DatasetLayout& layout)>;
// Returns a block on the heap, without states.
LoadBlock MakeHeapBlock(const DatasetLayout& layout);
// Called for each image that was read, with the number of images that are there; with 0 of 0 while
// the files are listed; and with all images while they are checked at the end. Never called by two
// threads at once.
using LoadCallback = std::function<void(std::size_t done, std::size_t images)>;

// Loads the training and holdout images that DataSettings describes:
//  * shapes10: generated images; no file is read. Unless the settings give numbers, there are
//    4,000 training and 1,000 validation images. There are always 1,000 test images.
//  * cifar10, cifar100, idx, image_folder: read from data_dir/folder. data_seed draws the
//    validation images from the training files (5,000, or a tenth if there are fewer than 50,000),
//    and the training images from the rest (all of them unless train_examples is given). An image
//    folder may have its own validation images; then all are used, or validation_examples of them.
//    Every draw is stratified (see split.h). With holdout = test, the holdout is all test images;
//    validation images are then held out only with_validation. Only the drawn images of an image
//    folder are read.
// Up to `threads` threads read the images. The result, and which error is thrown, do not depend on
// their number. Throws InfeasibleError if the data set lacks something that the settings ask for,
// MachineError if files are missing or broken, and everything that `make_block` and `on_progress`
// throw.
Dataset LoadDataset(const DataSettings& settings, const std::filesystem::path& data_dir,
                    const MakeBlock& make_block = MakeHeapBlock, const LoadCallback& on_progress = nullptr,
                    int threads = 1);

// Returns the Dataset::notes about classes that a part lacks. Reads no image of an image folder.
// Throws as LoadDataset() does.
std::vector<std::string> NotesOnClasses(const DataSettings& settings, const std::filesystem::path& data_dir);

// Returns the data set in a block that LoadDataset() has filled, in this or another process. Its
// checksum is not set.
Dataset ViewDataset(const DatasetLayout& layout, const std::shared_ptr<const std::uint8_t>& block,
                    std::vector<float> mean, std::vector<float> deviation);

// Returns the files that LoadDataset() would read. Throws MachineError if an image folder cannot be
// listed. Calls `tick` for each entry of an image folder.
std::vector<std::filesystem::path> DatasetFiles(const DataSettings& settings, const std::filesystem::path& data_dir,
                                                const Tick& tick = nullptr);

// How a training image is changed: it is first flipped left to right and then shifted by some
// pixels. The gap is filled with the mean.
struct ImageChange {
  bool flip = false;
  int down = 0;
  int right = 0;
};
// Flips half of the images, and shifts by up to an eighth of the size.
ImageChange DrawChange(const Shape& shape, RandomStream& random);

// Writes images of a set as normalised floats into a buffer, in the layout of ImageSet.
class BatchWriter {
 public:
  // Copies the mean and deviation of `dataset`.
  explicit BatchWriter(const Dataset& dataset);

  // Writes the `count` images of `set` with the given indices. `out` must have room for count *
  // set.image_bytes() floats. With `augment`, each image is changed as DrawChange() draws from it.
  void Write(const ImageSet& set, const std::uint32_t* indices, std::size_t count, RandomStream* augment,
             float* out) const;

 private:
  // The normalised value for each channel and byte.
  std::vector<float> table_;
};

}  // namespace layernas::trainer
