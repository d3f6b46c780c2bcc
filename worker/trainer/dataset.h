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
#include "worker/trainer/image_source.h"
#include "worker/trainer/request.h"
#include "worker/trainer/tick.h"

namespace layernas::trainer {

// An array that does not change and lives as long as anyone holds it.
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

// Images of one shape, in memory one after the other: rows, columns, channels (channels last).
struct ImageSet {
  Shape shape;
  SharedArray<std::uint8_t> pixels;
  SharedArray<Label> labels;

  std::size_t size() const { return labels.size(); }
  std::size_t image_bytes() const { return ImageBytes(shape); }
};

// How many images of what kind.
struct DatasetLayout {
  Shape shape;
  std::size_t train = 0;
  std::size_t holdout = 0;
  std::size_t validation = 0;
  // Labels are below it.
  int classes = 0;

  std::size_t images() const { return train + holdout + validation; }
  // Of the block of memory that holds all images and labels.
  std::size_t block_bytes() const;
};

struct Dataset {
  // As it lies in memory.
  DatasetLayout layout;
  ImageSet train;
  // What the accuracy is taken on: validation or test images.
  ImageSet holdout;
  // With DataSettings::with_validation, what the best epoch is chosen by; else empty, and `holdout` does that.
  ImageSet validation;

  const ImageSet& selection() const { return validation.size() > 0 ? validation : holdout; }

  // Labels are below it.
  int classes = 0;
  // Of the training images, per channel, on the scale 0 to 255.
  std::vector<float> mean;
  std::vector<float> deviation;
  // Of all images and labels (cache_folder.h).
  std::uint32_t checksum = 0;
  // For the log: files with warnings, files that were left out, and classes that a part lacks.
  std::vector<std::string> notes = {};
};

// What LoadBlock::states says of an image.
constexpr std::uint8_t kImageMissing = 0;
constexpr std::uint8_t kImageRead = 1;
constexpr std::uint8_t kImageReadWithWarning = 2;
// With DataSettings::skip_bad_files: it is left out.
constexpr std::uint8_t kImageBroken = 3;

// The memory that a data set is loaded into.
struct LoadBlock {
  // DatasetLayout::block_bytes() of them, aligned for any type.
  std::shared_ptr<std::uint8_t> bytes;
  // One per image. An image that is there already is not read again; a state is set only when the image is complete, so
  // that a process that is killed leaves nothing false. Null if nothing is there and nobody wants to know.
  std::uint8_t* states = nullptr;
};
using MakeBlock = std::function<LoadBlock(const DatasetLayout& layout)>;
// On the heap, without states.
LoadBlock MakeHeapBlock(const DatasetLayout& layout);
// Called for each image that was read, with the number of images that are there; with 0 of 0 while the files are
// listed; and with all images while they are looked through at the end. Never by two threads at once.
using LoadCallback = std::function<void(std::size_t done, std::size_t images)>;

// Training and holdout images as DataSettings asks for them:
//  * shapes10: generated, nothing is read; 4,000 training and 1,000 validation images unless the settings give numbers.
//    There are always 1,000 test images.
//  * cifar10, cifar100, idx, image_folder: read from data_dir/folder. data_seed draws the validation images from the
//    training files (5,000, or a tenth where there are fewer than 50,000), and the training images from the rest (all
//    of it unless train_examples is given). An image folder may have validation images of its own: all of them, or
//    validation_examples drawn from them. Every draw is stratified (split.h). With holdout = test, the holdout is every
//    test image; validation images are held out besides only with_validation. Of an image folder only the images that
//    were drawn are read.
// Images are read by up to `threads` threads; the result, and which error is thrown, does not depend on their number.
// Throws InfeasibleError for what the data set does not have, MachineError for files that are missing or broken, and
// what `make_block` and `on_progress` throw.
Dataset LoadDataset(const DataSettings& settings, const std::filesystem::path& data_dir,
                    const MakeBlock& make_block = MakeHeapBlock, const LoadCallback& on_progress = nullptr,
                    int threads = 1);

// The Dataset::notes on classes that a part lacks. Needs no image of an image folder; throws as LoadDataset does for
// the rest.
std::vector<std::string> NotesOnClasses(const DataSettings& settings, const std::filesystem::path& data_dir);

// The data set in a block that LoadDataset has filled, in whatever process; without a checksum.
Dataset ViewDataset(const DatasetLayout& layout, const std::shared_ptr<const std::uint8_t>& block,
                    std::vector<float> mean, std::vector<float> deviation);

// The files that LoadDataset would read. Throws MachineError where an image folder cannot be listed. Calls `tick` for
// each entry of an image folder.
std::vector<std::filesystem::path> DatasetFiles(const DataSettings& settings, const std::filesystem::path& data_dir,
                                                const Tick& tick = nullptr);

// How a training image is changed: flipped left to right first, then shifted by so many pixels, the gap filled with the
// mean.
struct ImageChange {
  bool flip = false;
  int down = 0;
  int right = 0;
};
// Flips every second time, and shifts by up to an eighth of the size.
ImageChange DrawChange(const Shape& shape, RandomStream& random);

// Writes images of a set as normalised floats into a buffer, in the layout of ImageSet.
class BatchWriter {
 public:
  // Mean and deviation of `dataset` are copied.
  explicit BatchWriter(const Dataset& dataset);

  // `indices` names `count` images of `set`; `out` has room for count * set.image_bytes() floats. With `augment`, each
  // image is changed as DrawChange draws from it.
  void Write(const ImageSet& set, const std::uint32_t* indices, std::size_t count, RandomStream* augment,
             float* out) const;

 private:
  // Normalised value by channel and byte.
  std::vector<float> table_;
};

}  // namespace layernas::trainer
